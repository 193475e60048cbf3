"""Silence over one stretch of the clip."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect, number_range
from spoofscope.errors import ConfigError
from spoofscope.options import check_keys


class TimeMask(Effect):
    """One stretch becomes zeros; its length is drawn first, then its start.

    Options:
        share: range of the length, as a share of the clip; default [0.2, 0.5].
    """

    name: ClassVar[str] = "time_mask"

    def __init__(
        self, options: Mapping[str, Any], sources: Mapping[str, Path], sample_rate: int
    ) -> None:
        check_keys(options, ("share",), "effect time_mask")
        self._share = number_range(options.get("share", [0.2, 0.5]), "effect time_mask: share")
        if not 0 <= self._share[0] <= self._share[1] <= 1:
            raise ConfigError(
                f"effect time_mask: share {list(self._share)} does not lie between 0 and 1"
            )
        self._sample_rate = sample_rate

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
