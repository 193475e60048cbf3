"""Reverberation."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options.declared import option
from spoofscope.options.effects.base import EffectOptions


@dataclass(frozen=True, kw_only=True)
class RoomResponseOptions(EffectOptions):
    """A room impulse response of RIRS_NOISES or a folder like it."""

    rooms: tuple[Literal["smallroom", "mediumroom", "largeroom", "real"], ...] = option(
        ("smallroom", "mediumroom", "largeroom"), minItems=1
    )
    """One kind of room is drawn, then one of its responses."""
