"""Noise, music and babble."""

from dataclasses import dataclass
from typing import Annotated

from spoofscope.errors import ConfigError
from spoofscope.options import check_keys
from spoofscope.options.declared import option
from spoofscope.options.effects.base import EffectOptions, Range, check_order

_CATEGORIES = ("noise", "music", "speech")
_Voices = Annotated[int, {"minimum": 1}]


@dataclass(frozen=True, kw_only=True)
class MusanOptions(EffectOptions):
    """One noise, one piece of music, or a babble of voices, of MUSAN or a folder like it. The
    defaults are those of the x-vector recipe.
    """

    categories: dict[str, Range] = option(
        lambda: {"noise": (0.0, 15.0), "music": (5.0, 15.0), "speech": (13.0, 20.0)},
        minProperties=1,
        propertyNames={"enum": list(_CATEGORIES)},
    )
    """noise, music, speech: [lowest, highest] signal-to-noise ratio in dB. One of those that are
    named is drawn."""
    voices: tuple[_Voices, _Voices] = option((3, 7), minItems=2, maxItems=2)
    """Range of the number of recordings in a babble."""

    def check(self, place: str) -> None:
        """There are categories, and ranges are in order."""
        check_keys(self.categories, _CATEGORIES, f"{place}.categories")
        if not self.categories:
            raise ConfigError(f"{place}.categories: expected category: [low, high] in dB")
        for name, value in self.categories.items():
            check_order(value, f"{place}.categories.{name}")
        check_order(self.voices, f"{place}.voices")
