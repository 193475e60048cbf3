"""A neural watermark."""

from dataclasses import dataclass

from spoofscope.options.effects.base import EffectOptions


@dataclass(frozen=True, kw_only=True)
class WatermarkOptions(EffectOptions):
    """The inaudible mark of a network whose weights are in the package resemble-perth."""
