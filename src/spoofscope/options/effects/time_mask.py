"""Silence over one stretch of the clip."""

from dataclasses import dataclass
from typing import Annotated

from spoofscope.options.declared import option
from spoofscope.options.effects.base import EffectOptions, check_order

_Share = Annotated[float, {"minimum": 0, "maximum": 1}]


@dataclass(frozen=True, kw_only=True)
class TimeMaskOptions(EffectOptions):
    """Silence over one stretch of the clip."""

    share: tuple[_Share, _Share] = option((0.2, 0.5), minItems=2, maxItems=2)
    """Range of the length of the silence, as a share of the clip."""

    def check(self, place: str) -> None:
        """The range is in order."""
        check_order(self.share, f"{place}.share")
