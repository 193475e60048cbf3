"""Naming the attack behind a spoof."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from spoofscope.errors import ConfigError, TrainingError
from spoofscope.identity import rng_of
from spoofscope.inputs import Inputs
from spoofscope.judging import logits_of_clips
from spoofscope.names import BONAFIDE, UNKNOWN, is_answer
from spoofscope.objectives.base import DevResult, Objective, Step, Task, Values, epoch_order
from spoofscope.objectives.heads import block_order
from spoofscope.options.objectives import CrossEntropy
from spoofscope.tracer import Tracer, objective_options


def class_names(rows: pl.DataFrame) -> pl.Series:
    """The class of each row: its attack, or `bonafide`."""
    bonafide = pl.col("label") == BONAFIDE
    named = pl.when(bonafide).then(pl.lit(BONAFIDE)).otherwise(pl.col("attack"))
    return rows.select(named.alias("class")).to_series()


class Tracing(Objective):
    """Which of the attacks of the training set made a clip.

    Classes are the attacks of the training rows in code-point order, after `bonafide` where bona
    fide training clips are a class. Development clips of other attacks take no part here: whether
    an attack is unknown is found out by what is fitted to the finished network.

    RegMixup (Pinto et al., NeurIPS 2022; REFD): beside each batch x stands its mixture
    x' = l x + (1 - l) x_p with itself in another order, l from Beta(a, a), on the features; the
    loss is half that of x and half l L(x', y) + (1 - l) L(x', y_p).

    Options: see `options.objectives`, with the key `type`.
    """

    name = "tracing"
    measures = ("loss", "error")
    network: Tracer

    def __init__(self, task: Task) -> None:
        self._kind, self._options = objective_options(task.options)
        self.train = self._wanted(task.train)
        names = class_names(self.train)
        for name in sorted(set(names)):
            if is_answer(name, UNKNOWN):
                raise TrainingError(
                    f"{task.train_from}: an attack of the training set is called {name!r}, which "
                    "is the answer for attacks that a tracer does not know; rename it in the "
                    f"corpus, or leave its clips out (`exclude_attacks: [{name}]`)"
                )
        attacks = sorted(set(names) - {BONAFIDE})
        if len(attacks) < 2:
            raise TrainingError(
                f"{task.train_from}: the training set has {len(attacks)} attack(s); a tracer needs "
                "at least two to tell apart"
            )
        classes = ([BONAFIDE] if (names == BONAFIDE).any() else []) + attacks
        numbers = {name: i for i, name in enumerate(classes)}
        self.targets = np.array([numbers[name] for name in names], dtype=np.int64)
        dev = self._wanted(task.dev)
        self.dev = dev.filter(class_names(dev).is_in(classes))
        if self.dev.is_empty():
            raise TrainingError(
                f"{task.dev_from}: none of the attacks of the training set ({', '.join(attacks)}) "
                "is in the development set, so no checkpoint can be chosen; add clips of known "
                "attacks to it, such as those of speakers that are held out of train"
            )
        self._dev_targets = np.array([numbers[name] for name in class_names(self.dev)])
        self.weights = self._row_weights(task, classes)
        self.network = Tracer(task.frontend, task.backend, task.policy, classes, task.options)

    def _wanted(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows if self._options.bonafide == "class" else rows.filter(pl.col("attack") != "-")

    def _row_weights(self, task: Task, classes: list[str]) -> npt.NDArray[np.float64]:
        given = task.class_weights
        counts = np.bincount(self.targets, minlength=len(classes))
        if isinstance(given, Mapping):
            missing = [name for name in classes if name not in given]
            if missing:
                raise ConfigError(f"recipe: class_weights has none for {missing[0]!r}")
            of_class = np.array([float(given[name]) for name in classes])
        elif given == "balanced":
            of_class = counts.sum() / (len(classes) * counts)
        else:
            of_class = np.ones(len(classes))
        weights: npt.NDArray[np.float64] = of_class[self.targets]
        self._class_weights = torch.from_numpy(of_class)
        return weights

    def check(self, recipe: Any) -> None:
        """Refuse what a tracer cannot be trained with."""
        if recipe.loss is not None:
            raise ConfigError("recipe: loss: a tracer's loss is its objective; leave it out")
        head = self.network.backend.head
        if self._mixes and not self.network.frontend.frozen:
            raise ConfigError(
                "objective: regmixup mixes features, so the front-end must not be trained"
            )
        if head.blocks is None:
            return
        n_classes = min(head.blocks[0], len(self.network.classes))
        size = n_classes * head.blocks[1]
        for stage in recipe.stages:
            if stage.batch_size != size or stage.accumulate != 1 or recipe.processes != 1:
                raise ConfigError(
                    f"recipe: objective {self._kind} needs batches of {n_classes} classes with "
                    f"{head.blocks[1]} clips each: set batch_size to {size}, accumulate and "
                    "processes to 1"
                )

    @property
    def _mixes(self) -> float | None:
        return self._options.regmixup if isinstance(self._options, CrossEntropy) else None

    @property
    def select_by(self) -> str:
        """The measure that the objective is asked to choose by."""
        return self._options.select_by

    @property
    def fitted_labels(self) -> dict[str, str]:
        """utt_id to class."""
        return dict(zip(self.train["utt_id"], class_names(self.train), strict=True))

    def order(self, sampler: str, seed: int, epoch: int) -> npt.NDArray[np.int64]:
        """Row numbers in the order of an epoch; in blocks where the objective needs them."""
        blocks = self.network.backend.head.blocks
        if blocks is None:
            return epoch_order(self.targets, sampler, seed, epoch)
        return block_order(self.targets, blocks, rng_of("order", seed, epoch))

    def prepare(self, step: Step) -> Step:
        """With `regmixup`, the batch and its mixture."""
        if self._mixes is None:
            return Step(step.values, step.lengths, (step.targets, None, 1.0))
        beta = torch.distributions.Beta(self._mixes, self._mixes)
        share = float(beta.sample())
        other = torch.randperm(len(step.values)).to(step.values.device)
        mixed = share * step.values + (1 - share) * step.values[other]
        lengths = torch.maximum(step.lengths, step.lengths[other])
        return Step(
            torch.cat([step.values, mixed]),
            torch.cat([step.lengths, lengths]),
            (step.targets, step.targets[other], share),
        )

    def loss(self, output: Tensor, targets: Any, total: float) -> Tensor:
        """The objective's loss, with RegMixup half of it on the mixture."""
        classes, others, share = targets
        weights = self._class_weights.to(output)
        vectors, logits = output[:, : self.network.n_vector], output[:, self.network.n_vector :]
        losses = self.network.backend.head.losses
        n = len(classes)
        plain = (losses(vectors[:n], logits[:n], classes) * weights[classes]).sum() / total
        if others is None:
            return plain
        mixed = share * losses(vectors[n:], logits[n:], classes) * weights[classes]
        mixed = mixed + (1 - share) * losses(vectors[n:], logits[n:], others) * weights[others]
        return 0.5 * plain + 0.5 * mixed.sum() / total

    def refit(self, inputs: Callable[[], Iterator[Inputs]], batch_size: int) -> None:
        """Give the head the vectors of all training clips, where it takes something from them."""
        head = self.network.backend.head
        if not head.takes_clips:
            return
        # A head that keeps the clips has as many vectors as there are.
        keeps = not head.trained
        if keeps and not self.network.meta["n_clips"]:
            # The head knows no clip yet, so only vectors can be worked out.
            head.fit(torch.zeros(1, self.network.n_vector), torch.zeros(1, dtype=torch.int64))
        targets = dict(zip(self.train["utt_id"], self.targets.tolist(), strict=True))
        vectors, classes = [], []
        for utt_id, outputs in logits_of_clips(self.network, inputs(), batch_size):
            vectors.append(self.network.split(outputs).vectors.mean(axis=0))
            classes.append(targets[utt_id])
        device = self.network.device
        with torch.no_grad():
            head.fit(
                torch.from_numpy(np.stack(vectors)).to(device), torch.tensor(classes, device=device)
            )
        if keeps:
            self.network.meta["n_clips"] = len(classes)

    def clip(self, outputs: npt.NDArray[np.float32]) -> list[float]:
        """Mean logits over windows."""
        mean = outputs[:, self.network.n_vector :].mean(axis=0, dtype=np.float64)
        return [float(value) for value in mean]

    def dev_result(self, values: Values) -> DevResult:
        """Cross-entropy of clips of known attacks, and one less their balanced accuracy."""
        shifted = values - values.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        rows = np.arange(len(values))
        right = values.argmax(axis=1) == self._dev_targets
        present = np.unique(self._dev_targets)
        recalls = [right[self._dev_targets == number].mean() for number in present]
        measures = {
            "loss": float(-log_p[rows, self._dev_targets].mean()),
            "error": 1 - float(np.mean(recalls)),
        }
        return DevResult(measures, values)

    def conclude(self, result: DevResult, settings: Mapping[str, Any]) -> None:
        """Keep the error rate on development data."""
        self.network.meta.update(settings)
        self.network.meta["dev_error"] = result.measures["error"]

    def write_into(self, folder: Path) -> None:
        """Write the network's files, see `tracer`."""
        self.network.write_into(folder)
