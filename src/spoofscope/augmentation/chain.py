"""Effects in order, each with its probability."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spoofscope.audio import Samples
from spoofscope.augmentation.registry import build
from spoofscope.errors import AudioError, ConfigError
from spoofscope.identity import rng_of


def utterance_rng(seed: int, epoch: int, utt_id: str) -> np.random.Generator:
    """The generator for one utterance in one epoch.

    It depends on its arguments only, so neither the number nor the order of workers, nor the other
    utterances, change what an utterance gets.
    """
    return rng_of("augmentation", seed, epoch, utt_id)


class Chain:
    """Augmentation steps of the study file, ready to apply. May be shared by threads.

    Args:
        steps: in order; each has `effect` and the options of that effect.
        sources: `musan` and `rirs` to folders.
        sample_rate: Hz of the signals.

    Attributes:
        steps: the steps, as plain dicts.
        sample_rate: Hz.
        keeps_time: whether clips keep their length, and so segments their meaning.

    Raises:
        ConfigError: no steps, or a step that cannot be used; the message gives its number.
    """

    def __init__(
        self, steps: Sequence[Mapping[str, Any]], sources: Mapping[str, Path], sample_rate: int
    ) -> None:
        if not steps:
            raise ConfigError("an augmentation chain needs at least one step")
        self.steps = [dict(step) for step in steps]
        self.sample_rate = sample_rate
        self._effects = []
        for number, step in enumerate(self.steps, start=1):
            options = dict(step)
            name = options.pop("effect", None)
            try:
                self._effects.append(build(str(name), options, sources, sample_rate))
            except ConfigError as error:
                raise ConfigError(f"augmentation step {number}: {error}") from error
        self.keeps_time = all(effect.keeps_time for effect in self._effects)

    def __call__(
        self, x: Samples, rng: np.random.Generator
    ) -> tuple[Samples, list[dict[str, Any]]]:
        """Augment one signal.

        After each step a peak above 1 is scaled down to 1; nothing is ever clipped, and a signal
        within [-1, 1] keeps its level.

        Args:
            x: (n,) float32.
            rng: see :func:`utterance_rng`.

        Returns:
            (n,) float32 in [-1, 1], of another length only where the chain does not keep time, and
            for every step that was taken a dict with `effect`, the parameters that were drawn and,
            where the peak was scaled, `gain` (linear).

        Raises:
            AudioError: `x` is not one channel of at least one finite sample, or a noise file is
                broken.
        """
        if x.ndim != 1 or x.size == 0 or not np.isfinite(x).all():
            raise AudioError(f"augmentation expects finite mono samples, got shape {x.shape}")
        applied: list[dict[str, Any]] = []
        for effect in self._effects:
            if rng.random() >= effect.options.probability:
                continue
            x, used = effect.apply(x, rng)
            entry = {"effect": effect.name, **used}
            peak = float(np.max(np.abs(x)))
            if peak > 1.0:
                entry["gain"] = 1.0 / peak
                # The product may round to just above 1.
                x = np.clip(x / np.float32(peak), -1.0, 1.0)
            applied.append(entry)
        return x, applied
