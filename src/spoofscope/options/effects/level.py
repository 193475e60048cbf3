"""A given level."""

from dataclasses import dataclass

from spoofscope.options.declared import required
from spoofscope.options.effects.base import EffectOptions, Range, check_order


@dataclass(frozen=True, kw_only=True)
class LevelOptions(EffectOptions):
    """A clip gets a given level."""

    level: Range = required()
    """dB below full scale, so negative: [lowest, highest] root mean square that is drawn."""

    def check(self, place: str) -> None:
        """The range is in order."""
        check_order(self.level, f"{place}.level")
