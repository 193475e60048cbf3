"""What an effect is, and the checks that effects share."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from spoofscope.audio import Samples
from spoofscope.errors import ConfigError


class Effect(ABC):
    """One way to change a signal. Holds no state, so that one object serves several threads.

    Args:
        options: the step of the study file without `effect` and `probability`; every key is
            checked.
        sources: `musan` and `rirs` to folders, as far as the study names them.
        sample_rate: Hz of the signals that `apply` gets.

    Raises:
        ConfigError: an unknown or impossible option, or a source that is missing or empty.
    """

    name: ClassVar[str]
    # False where the result is shorter: then segments of the source are none of the result.
    keeps_time: ClassVar[bool] = True

    @abstractmethod
    def __init__(
        self, options: Mapping[str, Any], sources: Mapping[str, Path], sample_rate: int
    ) -> None: ...

    @abstractmethod
    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Change one signal.

        Args:
            x: (n,) float32, in [-1, 1].
            rng: where every random choice comes from.

        Returns:
            (n,) float32 that is aligned with `x` but may exceed [-1, 1] (shorter only where
            `keeps_time` is false), and the parameters that were drawn, as plain values for JSON.
        """


def number_range(value: Any, where: str) -> tuple[float, float]:
    """Check a range `[low, high]` of finite numbers with low <= high.

    Raises:
        ConfigError: anything else; the message starts with `where`.
    """
    if (
        not isinstance(value, list | tuple)
        or len(value) != 2
        or not all(_is_number(v) for v in value)
        or value[0] > value[1]
    ):
        raise ConfigError(f"{where}: expected [low, high] with low <= high, got {value!r}")
    return float(value[0]), float(value[1])


def whole_range(value: Any, where: str, minimum: int) -> tuple[int, int]:
    """Check a range `[low, high]` of whole numbers with minimum <= low <= high.

    Raises:
        ConfigError: anything else; the message starts with `where`.
    """
    low, high = number_range(value, where)
    if low != int(low) or high != int(high) or low < minimum:
        raise ConfigError(f"{where}: expected whole numbers from {minimum} up, got {value!r}")
    return int(low), int(high)


def positive_number(value: Any, where: str) -> float:
    """Check a finite number above zero.

    Raises:
        ConfigError: anything else; the message starts with `where`.
    """
    if not _is_number(value) or value <= 0:
        raise ConfigError(f"{where}: expected a number above 0, got {value!r}")
    return float(value)


def whole_number(value: Any, where: str, minimum: int, maximum: int | None = None) -> int:
    """Check a whole number from `minimum` to `maximum` (None: without limit).

    Raises:
        ConfigError: anything else; the message starts with `where`.
    """
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or value < minimum
        or (maximum is not None and value > maximum)
    ):
        upper = "up" if maximum is None else f"to {maximum}"
        raise ConfigError(f"{where}: expected a whole number from {minimum} {upper}, got {value!r}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def power(x: Samples) -> float:
    """Mean square of a signal, summed in double precision."""
    return float(np.mean(np.square(x, dtype=np.float64)))
