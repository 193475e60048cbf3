"""Another level."""

from dataclasses import dataclass

from spoofscope.options.declared import required
from spoofscope.options.effects.base import EffectOptions, Range, check_order


@dataclass(frozen=True, kw_only=True)
class GainOptions(EffectOptions):
    """A clip is made louder or softer."""

    gain: Range = required()
    """dB: [lowest, highest] of what is drawn; below 0 is softer."""

    def check(self, place: str) -> None:
        """The range is in order."""
        check_order(self.gain, f"{place}.gain")
