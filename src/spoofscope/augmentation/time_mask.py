"""Silence over one stretch of the clip."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect
from spoofscope.options.effects.time_mask import TimeMaskOptions


class TimeMask(Effect):
    """One stretch becomes zeros; its length is drawn first, then its start."""

    name: ClassVar[str] = "time_mask"
    declared = TimeMaskOptions
    options: TimeMaskOptions

    def __init__(
        self, options: Mapping[str, Any], sources: Mapping[str, Path], sample_rate: int
    ) -> None:
        super().__init__(options, sources, sample_rate)
        self._share = self.options.share

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Mask (n,) samples.

        Returns:
            The masked signal; start and end of the silence in seconds.
        """
        length = round(rng.uniform(*self._share) * x.size)
        start = int(rng.integers(x.size - length + 1))
        y = x.copy()
        y[start : start + length] = 0.0
        seconds = [start / self._sample_rate, (start + length) / self._sample_rate]
        return y, {"start": seconds[0], "end": seconds[1]}
