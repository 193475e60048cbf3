"""What an effect is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from spoofscope.audio import Samples
from spoofscope.options.effects.base import EffectOptions


class Effect(ABC):
    """One way to change a signal. Holds no state, so that one object serves several threads.

    Args:
        options: the step of the study file without `effect`; what it can be told is declared in
            `options.effects`.
        sources: `musan` and `rirs` to folders, as far as the study names them.
        sample_rate: Hz of the signals that `apply` gets.

    Raises:
        ConfigError: an unknown or impossible option, or a source that is missing or empty.
    """

    name: ClassVar[str]
    declared: ClassVar[type[EffectOptions]] = EffectOptions
    options: EffectOptions
    # False where the length changes: then segments of the source are none of the result.
    keeps_time: ClassVar[bool] = True

    def __init__(
        self, options: Mapping[str, Any], sources: Mapping[str, Path], sample_rate: int
    ) -> None:
        self.options = self.declared.from_dict(options, f"effect {self.name}")
        self._sample_rate = sample_rate

    @abstractmethod
    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Change one signal.

        Args:
            x: (n,) float32, in [-1, 1].
            rng: where every random choice comes from.

        Returns:
            (n,) float32 that is aligned with `x` but may exceed [-1, 1] (another length only where
            `keeps_time` is false), and the parameters that were drawn, as plain values for JSON.
        """


def power(x: Samples) -> float:
    """Mean square of a signal, summed in double precision."""
    return float(np.mean(np.square(x, dtype=np.float64)))
