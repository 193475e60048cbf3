"""The augmented copies of a published baseline, faults included."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options.declared import required
from spoofscope.options.effects.base import EffectOptions


@dataclass(frozen=True, kw_only=True)
class StackedOptions(EffectOptions):
    """The copies of the baseline of the Interspeech 2025 session on source tracing, as released:
    each effect is added to the one before, and what is called music or noise is speech.
    """

    copy: Literal["reverb", "speech", "music", "noise"] = required()
    """Its name for the copy: reverberation alone, or with one, two or three voices added."""
