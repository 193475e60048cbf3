"""The fixed sinc filter bank."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options.declared import option
from spoofscope.options.frontends.base import FrontEndOptions


@dataclass(frozen=True, kw_only=True)
class RawOptions(FrontEndOptions):
    """The fixed sinc filter bank in front of AASIST, at 16 kHz."""

    cache: Literal["none"] = option("none")
    """Its output is never kept: it is eight times as large as the audio, and sooner made than
    read."""
