"""A constant offset."""

from dataclasses import dataclass

from spoofscope.options.declared import option
from spoofscope.options.effects.base import EffectOptions, Range, check_order


@dataclass(frozen=True, kw_only=True)
class DcOptions(EffectOptions):
    """The mean of a clip becomes a constant."""

    offset: Range = option((0.0, 0.0))
    """[lowest, highest] of what is drawn, full scale being 1; by default there is none."""

    def check(self, place: str) -> None:
        """The range is in order."""
        check_order(self.offset, f"{place}.offset")
