"""Where a training stands, on disk, so that a killed one goes on as if nothing had happened."""

import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from spoofscope.errors import TrainingError
from spoofscope.files import atomic_path, remove_leftovers
from spoofscope.network import Network
from spoofscope.training import HISTORY, RUNNING

_LOGGER = logging.getLogger(__name__)


@dataclass
class Progress:
    """The position in a training, and what the epochs so far have given.

    Attributes:
        stage: 0, 1, ...; the number of stages when all are done.
        stage_epochs: epochs finished in this stage.
        epochs: epochs finished in all stages.
        step: optimiser steps done in the present epoch.
        steps: optimiser steps done in all epochs.
        loss_sum: sum of the training losses of the present epoch's steps.
        best: the lowest (selection value, dev loss) of this stage; None before its first
            evaluation.
        epochs_without_gain: evaluations since then.
        history: one row per evaluation, see `loop.history_columns`.
    """

    stage: int = 0
    stage_epochs: int = 0
    epochs: int = 0
    step: int = 0
    steps: int = 0
    loss_sum: float = 0.0
    best: list[float] | None = None
    epochs_without_gain: int = 0
    history: list[list[Any]] = field(default_factory=list)


class Checkpoints:
    """The resume file and the best weights of each stage, in a folder of their own.

    All random numbers of a training are drawn from generators seeded by the position, so no state
    of a generator has to be kept.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        """Use `folder`; `identity` says which training this is, so that no other is resumed."""
        self.folder = folder
        self._identity = identity
        self._resume = folder / "resume.pt"

    def save(self, progress: Progress, network: Network, optimizer: dict[str, Any]) -> None:
        """Write the resume file, whole or not at all; `optimizer` is any state of plain values."""
        state = {
            "identity": self._identity,
            "progress": asdict(progress),
            "network": network.stored_state(),
            "optimizer": optimizer,
        }
        with atomic_path(self._resume) as temporary:
            torch.save(state, temporary)

    def load(self) -> dict[str, Any] | None:
        """The state of an interrupted training, or None where there is none to resume.

        Raises:
            TrainingError: the resume file is damaged.
        """
        remove_leftovers(self._resume)
        if not self._resume.is_file():
            return None
        try:
            state: dict[str, Any] = torch.load(self._resume, map_location="cpu", weights_only=True)
        except Exception as error:  # torch.load raises whatever its unpickler meets
            raise TrainingError(
                f"{self._resume} is damaged ({error}); delete it to train from the start"
            ) from error
        if state.get("identity") != self._identity:
            _LOGGER.warning(
                "%s belongs to a training with other settings or data: starting anew", self._resume
            )
            return None
        _LOGGER.info("resuming from %s", self._resume)
        state["progress"] = Progress(**state["progress"])
        return state

    def _best(self, stage: int) -> Path:
        return self.folder / f"best-{stage}.safetensors"

    def save_best(self, stage: int, network: Network) -> None:
        """Keep the network's present weights as the best ones of a stage."""
        with atomic_path(self._best(stage)) as temporary:
            safetensors.torch.save_file(network.stored_state(), temporary)

    def load_best(self, stage: int, network: Network) -> None:
        """Give the network the best weights of a stage.

        Raises:
            TrainingError: they are not there.
        """
        path = self._best(stage)
        try:
            state = safetensors.torch.load_file(path)
        except (FileNotFoundError, safetensors.SafetensorError) as error:
            raise TrainingError(
                f"{path} cannot be read ({error}); delete {self._resume} to train from the start"
            ) from error
        network.load_stored_state(state, str(path))

    def remove(self, n_stages: int) -> None:
        """Delete what a training that has been saved needs no more, nor do those who watch."""
        best = [self._best(stage) for stage in range(n_stages)]
        watched = [self.folder / HISTORY, self.folder / RUNNING]
        for path in (self._resume, *best, *watched):
            path.unlink(missing_ok=True)
