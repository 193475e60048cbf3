"""What comes before the speech is cut off."""

from dataclasses import dataclass

from spoofscope.options.effects.base import EffectOptions


@dataclass(frozen=True, kw_only=True)
class TrimSilenceOptions(EffectOptions):
    """What comes before the speech is cut off."""
