"""A band that is made louder or softer."""

from dataclasses import dataclass

from spoofscope.errors import ConfigError
from spoofscope.options.declared import required
from spoofscope.options.effects.base import EffectOptions, Range, check_order


@dataclass(frozen=True, kw_only=True)
class BandOptions(EffectOptions):
    """A band of frequencies is made louder or softer."""

    low: float = required(minimum=0)
    """Hz, where it begins."""
    high: float = required(exclusiveMinimum=0)
    """Hz, where it ends."""
    gain: Range = required()
    """dB: [lowest, highest] of what is drawn; below 0 is softer."""

    def check(self, place: str) -> None:
        """The band is not empty, and the range is in order."""
        if self.low >= self.high:
            raise ConfigError(f"{place}: low must be below high")
        check_order(self.gain, f"{place}.gain")
