"""Silence before the speech."""

from typing import Any, ClassVar

import numpy as np

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect
from spoofscope.options.effects.leading_silence import LeadingSilenceOptions


class LeadingSilence(Effect):
    """Digital silence is put before a clip."""

    name: ClassVar[str] = "leading_silence"
    declared = LeadingSilenceOptions
    options: LeadingSilenceOptions
    keeps_time: ClassVar[bool] = False

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Extend (n,) samples.

        Returns:
            (m,) samples, m >= n, the last n of them those of the clip; the silence in seconds.
        """
        seconds = float(rng.uniform(*self.options.seconds))
        return np.pad(x, (round(seconds * self._sample_rate), 0)), {"seconds": seconds}
