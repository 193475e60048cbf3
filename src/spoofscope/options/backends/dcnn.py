"""A dilated convolutional network."""

from dataclasses import dataclass
from typing import Annotated, Literal

from spoofscope.options.declared import Options, option

_Channels = Annotated[int, {"minimum": 1}]


@dataclass(frozen=True, kw_only=True)
class DCNNOptions(Options):
    """A dilated convolutional network."""

    channels: tuple[_Channels, ...] = option((64, 64, 96, 128, 32), minItems=5, maxItems=5)
    """Outputs of the first five convolutions."""
    dropout_cnn: float = option(0.6, minimum=0, exclusiveMaximum=1)
    """Probability, after the convolutions."""
    dropout_dilated: float = option(0.2, minimum=0, exclusiveMaximum=1)
    """Probability, after the dilated convolutions."""
    dilation: bool = option(True)
    """Whether there is the dilated block."""
    downsampling: Literal["pool", "stride"] = option("pool")
    """Frames and bands are halved three times by maxima over 2 x 2, or by convolutions in steps of
    2."""
