"""Compression of the dynamic range."""

from dataclasses import dataclass

from spoofscope.options.declared import Options, option
from spoofscope.options.effects.base import EffectOptions


@dataclass(frozen=True, kw_only=True)
class CompressorSettings(Options):
    """How the dynamic range is compressed."""

    threshold: float = option(-20.0, maximum=0)
    """dB below full scale, above which the level is reduced."""
    ratio: float = option(4.0, minimum=1)
    """Above the threshold, so many dB at the input are one at the output."""
    make_up: float = option(10.0)
    """dB that are added in the end."""
    attack: float = option(0.005, exclusiveMinimum=0)
    """Seconds, the time constant with which the gain falls."""
    release: float = option(0.1, exclusiveMinimum=0)
    """Seconds, the time constant with which it recovers."""
    static: bool = option(False)
    """Take every sample for itself, without attack and release: a distortion of the waveform, as in
    the publication on what detectors hear."""


@dataclass(frozen=True, kw_only=True)
class CompressorOptions(EffectOptions, CompressorSettings):
    """The dynamic range is compressed."""

    share: float = option(1.0, minimum=0, maximum=1)
    """Of the compressed signal; the rest is the signal as it was."""
