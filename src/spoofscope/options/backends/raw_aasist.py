"""AASIST on the waveform."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options.declared import Options, option


@dataclass(frozen=True, kw_only=True)
class RawAASISTOptions(Options):
    """AASIST on the bands of the sinc filter bank."""

    variant: Literal["full", "light"] = option("full")
    """AASIST or AASIST-L."""
    residual: Literal["as_published", "preactivated"] = option("as_published")
    """What the first convolution of a residual block reads: the raw input, as published, or its
    input after batch norm and SELU."""
