"""Another sampling rate, and back."""

from typing import Any, ClassVar

import numpy as np

from spoofscope import audio
from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect
from spoofscope.options.effects.resample import ResampleOptions


class Resample(Effect):
    """A clip is resampled to another rate, and back; what is above half of it is gone."""

    name: ClassVar[str] = "resample"
    declared = ResampleOptions
    options: ResampleOptions

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Resample (n,) samples twice.

        Returns:
            (n,) samples; the other rate in Hz.
        """
        rate = self.options.rate
        there = audio.resample(x, self._sample_rate, rate)
        back = audio.resample(there, rate, self._sample_rate)[: x.size]
        return np.pad(back, (0, x.size - back.size)), {"rate": rate}
