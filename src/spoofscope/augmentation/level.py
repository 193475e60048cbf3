"""A given level."""

from typing import Any, ClassVar

import numpy as np

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect, power
from spoofscope.options.effects.level import LevelOptions


class Level(Effect):
    """A clip is scaled to a root mean square; digital silence has no level, and stays."""

    name: ClassVar[str] = "level"
    declared = LevelOptions
    options: LevelOptions

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Scale (n,) samples.

        Returns:
            The scaled signal; its level in dB below full scale.
        """
        level = float(rng.uniform(*self.options.level))
        square = power(x)
        if square == 0:
            return x, {"skipped": "silence"}
        factor = np.float32(10 ** (level / 20) / np.sqrt(square))
        return (x * factor).astype(np.float32), {"level_db": level}
