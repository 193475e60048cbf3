"""A given length."""

from typing import Any, ClassVar

import numpy as np

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect
from spoofscope.options.effects.length import LengthOptions


class Length(Effect):
    """The end of a clip is cut off, or digital silence is put there."""

    name: ClassVar[str] = "length"
    declared = LengthOptions
    options: LengthOptions
    keeps_time: ClassVar[bool] = False

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Cut or extend (n,) samples.

        Returns:
            (m,) samples, at least one; their length in seconds.
        """
        seconds = float(rng.uniform(*self.options.seconds))
        n = max(1, round(seconds * self._sample_rate))
        return np.pad(x[:n], (0, max(0, n - x.size))), {"seconds": seconds}
