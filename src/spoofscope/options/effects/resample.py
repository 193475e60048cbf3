"""Another sampling rate, and back."""

from dataclasses import dataclass

from spoofscope.options.declared import required
from spoofscope.options.effects.base import EffectOptions


@dataclass(frozen=True, kw_only=True)
class ResampleOptions(EffectOptions):
    """A clip is resampled to another rate, and back."""

    rate: int = required(minimum=1000)
    """Hz, the other rate."""
