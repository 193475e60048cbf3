"""Silence before the speech."""

from dataclasses import dataclass

from spoofscope.errors import ConfigError
from spoofscope.options.declared import required
from spoofscope.options.effects.base import EffectOptions, Range, check_order


@dataclass(frozen=True, kw_only=True)
class LeadingSilenceOptions(EffectOptions):
    """Digital silence is put before a clip."""

    seconds: Range = required()
    """[shortest, longest] that is drawn."""

    def check(self, place: str) -> None:
        """The range is in order, and nothing is cut off."""
        check_order(self.seconds, f"{place}.seconds")
        if self.seconds[0] < 0:
            raise ConfigError(f"{place}.seconds: silence is 0 s or longer, not {self.seconds[0]:g}")
