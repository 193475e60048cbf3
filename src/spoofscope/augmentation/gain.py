"""Another level."""

from typing import Any, ClassVar

import numpy as np

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect
from spoofscope.options.effects.gain import GainOptions


class Gain(Effect):
    """All samples are scaled by one factor."""

    name: ClassVar[str] = "gain"
    declared = GainOptions
    options: GainOptions

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Scale (n,) samples.

        Returns:
            The scaled signal; the gain in dB.
        """
        gain = float(rng.uniform(*self.options.gain))
        return (x * np.float32(10 ** (gain / 20))).astype(np.float32), {"gain_db": gain}
