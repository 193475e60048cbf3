"""Synthetic noises and filters."""

from dataclasses import dataclass

from spoofscope.options.declared import option
from spoofscope.options.effects.base import EffectOptions


@dataclass(frozen=True, kw_only=True)
class NoiseFilterOptions(EffectOptions):
    """One of three noises, then one of seven filters, each of them most of the time."""

    noise_probability: float = option(0.9, minimum=0, maximum=1)
    """Of adding one of the noises."""
    filter_probability: float = option(0.9, minimum=0, maximum=1)
    """Of applying one of the filters."""
