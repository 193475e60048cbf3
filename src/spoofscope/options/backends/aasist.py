"""AASIST on SSL features."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options.backends.base import LogitOptions
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class AASISTOptions(LogitOptions):
    """AASIST on SSL features."""

    layer: Literal["last", "weighted"] = option("last")
    """The uppermost hidden state, or a learned mix of all."""
    residual: Literal["preactivated", "as_published"] = option("preactivated")
    """What the first convolution of a residual block reads: its input after batch norm and SELU, or
    the raw input, which published weights need."""
    channels: int = option(64, minimum=1, maximum=65536)
    """Of the later residual blocks and the graphs. With 24, the width of AASIST-L, or 32 a training
    step takes less than half the time on a CPU."""
