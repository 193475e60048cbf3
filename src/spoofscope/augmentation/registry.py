"""Effects by name. A member, and with it PyAV or SciPy, is imported only when it is built."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spoofscope.errors import ConfigError
from spoofscope.options import nearest

if TYPE_CHECKING:
    from spoofscope.augmentation.base import Effect

_MEMBERS = {
    "codec": "spoofscope.augmentation.codec:CodecRoundTrip",
    "musan": "spoofscope.augmentation.musan:Musan",
    "noise_filter": "spoofscope.augmentation.noise_filter:NoiseFilter",
    "rawboost": "spoofscope.augmentation.rawboost:RawBoost",
    "rir": "spoofscope.augmentation.rir:RoomResponse",
    "time_mask": "spoofscope.augmentation.time_mask:TimeMask",
    "trim_silence": "spoofscope.augmentation.trim_silence:TrimSilence",
}


def available() -> list[str]:
    """Names of all effects, sorted."""
    return sorted(_MEMBERS)


def module_of(name: str) -> str:
    """The module that an effect is found in, for code digests.

    Raises:
        ConfigError: no such effect.
    """
    if name not in _MEMBERS:
        raise ConfigError(f"no effect {name!r} (one of {', '.join(available())})")
    return _MEMBERS[name].partition(":")[0]


def build(
    name: str, options: Mapping[str, Any], sources: Mapping[str, Path], sample_rate: int
) -> "Effect":
    """Build the effect of that name.

    Args:
        name: the value of `effect` in a step of the study file.
        options: the other keys of the step, without `probability`.
        sources: `musan` and `rirs` to the folders of noises and room responses.
        sample_rate: Hz of the signals it will get.

    Raises:
        ConfigError: no such effect, an option that it does not have, or a source that it lacks.
    """
    if name not in _MEMBERS:
        raise ConfigError(f"no effect {name!r}; {nearest(str(name), _MEMBERS)}")
    module, _, member = _MEMBERS[name].partition(":")
    factory = getattr(import_module(module), member)
    effect: Effect = factory(options, sources, sample_rate)
    return effect
