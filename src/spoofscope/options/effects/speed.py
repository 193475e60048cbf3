"""Another speed."""

from dataclasses import dataclass

from spoofscope.errors import ConfigError
from spoofscope.options.declared import required
from spoofscope.options.effects.base import EffectOptions, Range, check_order


@dataclass(frozen=True, kw_only=True)
class SpeedOptions(EffectOptions):
    """A clip is played faster or slower."""

    factor: Range = required()
    """[lowest, highest] that is drawn; above 1 is faster and higher, below 1 slower and lower."""

    def check(self, place: str) -> None:
        """The range is in order, and no speed is 0."""
        check_order(self.factor, f"{place}.factor")
        if not 0.1 <= self.factor[0] <= self.factor[1] <= 10:
            raise ConfigError(
                f"{place}.factor: a speed is from 0.1 to 10 times as fast, not {list(self.factor)}"
            )
