"""What every objective is: a network, a loss, and a measure on the development set."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from torch import Tensor

from spoofscope.identity import rng_of
from spoofscope.inputs import Inputs
from spoofscope.network import Network
from spoofscope.windows import InputPolicy

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """What an objective is made for.

    Attributes:
        frontend, backend: settings with their key `type`.
        policy: how clips become windows.
        train, dev: rows of the training and the development set, with utt_id, label and attack.
        train_from, dev_from: the manifests and splits that they are from, for messages.
        class_weights: of the recipe: "none", "balanced", or weights by class.
        seed: of the training.
        options: of the objective, without its key `type`.
    """

    frontend: Mapping[str, Any]
    backend: Mapping[str, Any]
    policy: InputPolicy
    train: pl.DataFrame
    dev: pl.DataFrame
    train_from: str
    dev_from: str
    class_weights: str | Mapping[str, float]
    seed: int
    options: Mapping[str, Any]


class Step(NamedTuple):
    """What a batch is taught.

    values: (B, C, N, D) features or (B, n_samples) waveforms. lengths: (B,) frames or samples.
    targets: whatever the objective's loss takes, made of (B,) int64 numbers of classes.
    """

    values: Tensor
    lengths: Tensor
    targets: Any


class DevResult(NamedTuple):
    """A network on the development set.

    measures: name to value, the lower the better, `loss` among them. values: (n, m), what
    `Objective.clip` gave for each row.
    """

    measures: dict[str, float]
    values: Values


class Objective(ABC):
    """What a network is trained for.

    Attributes:
        name: the key in the registry.
        measures: names of what `dev_result` measures, in the order of the columns of history.tsv.
        network: what is trained.
        dev: the rows of the development set that `dev_result` looks at.
        targets: (n,) int64, the number of the class of each training row.
        weights: (n,) float64, the weight of each training row.
    """

    name: ClassVar[str]
    measures: ClassVar[tuple[str, ...]]
    network: Network
    dev: pl.DataFrame
    train: pl.DataFrame
    targets: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]

    @abstractmethod
    def __init__(self, task: Task) -> None:
        """Build the network; random weights come from PyTorch's generator.

        Raises:
            ConfigError: an option is wrong, or does not fit the back-end.
            TrainingError: the rows do not suffice.
        """

    @abstractmethod
    def check(self, recipe: Any) -> None:
        """Refuse a recipe that does not fit; see `training.recipe.Recipe`.

        Raises:
            ConfigError: it does not.
        """

    @property
    @abstractmethod
    def select_by(self) -> str | None:
        """The measure by which the best weights are chosen; None leaves it to the recipe."""

    @property
    @abstractmethod
    def fitted_labels(self) -> dict[str, str]:
        """utt_id to what a back-end that is fitted in one go is told of a training clip."""

    def order(self, sampler: str, seed: int, epoch: int) -> npt.NDArray[np.int64]:
        """Row numbers (n,) in the order in which one epoch uses them."""
        return epoch_order(self.targets, sampler, seed, epoch)

    def prepare(self, step: Step) -> Step:
        """What the network is given in training, made of a batch's normalised features."""
        return step

    @abstractmethod
    def loss(self, output: Tensor, targets: Any, total: float) -> Tensor:
        """The loss of a batch, a scalar.

        Args:
            output: (B, width) float32, what the back-end gave.
            targets: of :meth:`prepare`.
            total: the sum of the weights of the optimiser step's rows, which the sum of weighted
                losses is divided by. The batches of one step, whichever process has them, share
                theirs: how a step is cut changes nothing then.
        """

    @abstractmethod
    def refit(self, inputs: Callable[[], Iterator[Inputs]], batch_size: int) -> None:
        """Bring up to date what follows from the training clips, before the network is judged."""

    @abstractmethod
    def clip(self, outputs: npt.NDArray[np.float32]) -> list[float]:
        """What is kept of a development clip, of the back-end's outputs (windows, width)."""

    @abstractmethod
    def dev_result(self, values: Values) -> DevResult:
        """Measure the network; `values` (n, m) are those of :meth:`clip` for the rows of `dev`."""

    @abstractmethod
    def conclude(self, result: DevResult, settings: Mapping[str, Any]) -> None:
        """Keep in the network what the development set says of it.

        Args:
            result: of the network with its final weights.
            settings: what is known about the training, JSON-able.
        """

    @abstractmethod
    def write_into(self, folder: Path) -> None:
        """Write the network's files into an existing folder."""


def epoch_order(
    groups: npt.NDArray[np.int64], sampler: str, seed: int, epoch: int
) -> npt.NDArray[np.int64]:
    """Row numbers (n,) in the order in which one epoch uses them.

    Args:
        groups: (n,) the class of each row.
        sampler: "shuffle" (every row once) or "balanced" (as many draws, with replacement, all
            classes equally likely).
        seed, epoch: of the order.
    """
    rng = rng_of("order", seed, epoch)
    n = groups.size
    if sampler == "shuffle":
        return rng.permutation(n).astype(np.int64)
    _, group, count = np.unique(groups, return_inverse=True, return_counts=True)
    share = count[group]
    return rng.choice(n, size=n, p=(1 / count.size) / share).astype(np.int64)
