"""A given length."""

from dataclasses import dataclass

from spoofscope.errors import ConfigError
from spoofscope.options.declared import required
from spoofscope.options.effects.base import EffectOptions, Range, check_order


@dataclass(frozen=True, kw_only=True)
class LengthOptions(EffectOptions):
    """A clip gets a given length: its end is cut off, or silence is put there."""

    seconds: Range = required()
    """[shortest, longest] that is drawn."""

    def check(self, place: str) -> None:
        """The range is in order, and leaves something."""
        check_order(self.seconds, f"{place}.seconds")
        if self.seconds[0] <= 0:
            raise ConfigError(f"{place}.seconds: a length is above 0, not {self.seconds[0]:g}")
