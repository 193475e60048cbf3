"""Another speed."""

from typing import Any, ClassVar

import numpy as np

from spoofscope import audio
from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect
from spoofscope.options.effects.speed import SpeedOptions


class Speed(Effect):
    """A clip is played faster or slower, as a tape is: pitch and formants change with the tempo."""

    name: ClassVar[str] = "speed"
    declared = SpeedOptions
    options: SpeedOptions
    keeps_time: ClassVar[bool] = False

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Play (n,) samples at another speed.

        Returns:
            (about n / factor,) samples; the factor.
        """
        drawn = float(rng.uniform(*self.options.factor))
        # Whole Hz, as the resampler takes them.
        played = round(self._sample_rate * drawn)
        return audio.resample(x, played, self._sample_rate), {"factor": played / self._sample_rate}
