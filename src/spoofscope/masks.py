"""Masks by name. A member is imported only when it is built."""

from typing import Any

from spoofscope.registry import Registry

MASKS: Registry[Any] = Registry(
    "mask",
    {
        "artefact": "spoofscope.masking.artefacts:Artefact",
        "band": "spoofscope.masking.waveforms:BandMask",
        "codec": "spoofscope.masking.waveforms:CodecMask",
        "compressor": "spoofscope.masking.waveforms:CompressorMask",
        "gain": "spoofscope.masking.waveforms:GainMask",
        "loud_frames": "spoofscope.masking.frames:LoudFrames",
        "phone_classes": "spoofscope.masking.frames:PhoneClasses",
        "phones": "spoofscope.masking.frames:Phones",
        "silence": "spoofscope.masking.frames:Silence",
        "word_boundaries": "spoofscope.masking.frames:WordBoundaries",
    },
)
