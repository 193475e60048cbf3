"""Effects by name. A member, and with it PyAV or SciPy, is imported only when it is built."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spoofscope.registry import Registry

if TYPE_CHECKING:
    from spoofscope.augmentation.base import Effect

EFFECTS: "Registry[Callable[..., Effect]]" = Registry(
    "effect",
    {
        "band": "spoofscope.augmentation.band:Band",
        "codec": "spoofscope.augmentation.codec:CodecRoundTrip",
        "compressor": "spoofscope.augmentation.compressor:Compressor",
        "dc": "spoofscope.augmentation.dc:Dc",
        "enhance": "spoofscope.augmentation.enhance:Enhance",
        "gain": "spoofscope.augmentation.gain:Gain",
        "leading_silence": "spoofscope.augmentation.leading_silence:LeadingSilence",
        "length": "spoofscope.augmentation.length:Length",
        "level": "spoofscope.augmentation.level:Level",
        "musan": "spoofscope.augmentation.musan:Musan",
        "noise_filter": "spoofscope.augmentation.noise_filter:NoiseFilter",
        "rawboost": "spoofscope.augmentation.rawboost:RawBoost",
        "resample": "spoofscope.augmentation.resample:Resample",
        "rir": "spoofscope.augmentation.rir:RoomResponse",
        "speed": "spoofscope.augmentation.speed:Speed",
        "stacked": "spoofscope.augmentation.stacked:Stacked",
        "time_mask": "spoofscope.augmentation.time_mask:TimeMask",
        "trim_silence": "spoofscope.augmentation.trim_silence:TrimSilence",
        "watermark": "spoofscope.augmentation.watermark:Watermark",
    },
)


def build(
    name: str, options: Mapping[str, Any], sources: Mapping[str, Path], sample_rate: int
) -> "Effect":
    """Build the effect of that name.

    Args:
        name: the value of `effect` in a step of the study file.
        options: the other keys of the step.
        sources: `musan` and `rirs` to the folders of noises and room responses.
        sample_rate: Hz of the signals it will get.

    Raises:
        ConfigError: no such effect, an option that it does not have, or a source that it lacks.
    """
    return EFFECTS.member(name)(options, sources, sample_rate)
