"""What augmentation effects have in common."""

from dataclasses import dataclass
from typing import Annotated

from spoofscope.errors import ConfigError
from spoofscope.options.declared import Options, option

Range = Annotated[tuple[float, float], {"minItems": 2, "maxItems": 2}]
"""Lowest and highest value that is drawn."""


@dataclass(frozen=True, kw_only=True)
class EffectOptions(Options):
    """What every effect can be told."""

    probability: float = option(1.0, minimum=0, maximum=1)
    """Of taking this step."""


def check_order(value: tuple[float, float], place: str) -> None:
    """Refuse a range whose ends are the wrong way round.

    Raises:
        ConfigError: the message begins with the place.
    """
    if value[0] > value[1]:
        raise ConfigError(f"{place}: expected [low, high] with low <= high, got {list(value)}")
