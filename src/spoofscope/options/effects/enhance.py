"""Noise reduction."""

from dataclasses import dataclass

from spoofscope.options.declared import option
from spoofscope.options.effects.base import EffectOptions


@dataclass(frozen=True, kw_only=True)
class EnhanceOptions(EffectOptions):
    """Stationary noise is reduced by a Wiener filter."""

    reduction: float = option(15.0, exclusiveMinimum=0)
    """dB, by which a band with nothing but noise is lowered."""
