"""A constant offset."""

from typing import Any, ClassVar

import numpy as np

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect
from spoofscope.options.effects.dc import DcOptions


class Dc(Effect):
    """The mean of a clip becomes a constant; 0 removes an offset."""

    name: ClassVar[str] = "dc"
    declared = DcOptions
    options: DcOptions

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Shift (n,) samples.

        Returns:
            The shifted signal; its mean, full scale being 1.
        """
        offset = float(rng.uniform(*self.options.offset))
        shift = np.float32(offset - float(np.mean(x, dtype=np.float64)))
        return x + shift, {"offset": offset}
