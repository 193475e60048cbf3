"""Wavelet packets."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.errors import ConfigError
from spoofscope.options.declared import option
from spoofscope.options.frontends.base import SpectralOptions


@dataclass(frozen=True, kw_only=True)
class WaveletPacketsOptions(SpectralOptions):
    """Magnitudes of wavelet packet coefficients."""

    wavelet: str = option("sym5")
    """A discrete wavelet of PyWavelets, such as sym5 or haar."""
    boundary: Literal["reflect", "symmetric", "periodic", "constant", "zero"] = option("reflect")
    """How a clip goes on beyond its ends, by the names of PyWavelets."""
    level: int = option(8, minimum=1, maximum=16)
    """Decompositions: 2**level bands, a hop of 2**level samples."""
    log_scale: bool = option(True)
    """Take logarithms of the magnitudes; otherwise the coefficients as they are."""
    power: float = option(2.0, exclusiveMinimum=0)
    """Of the magnitude, under the logarithm."""
    sign_channel: bool = option(False)
    """Add a channel of signs; needs `log_scale`."""
    normalise: Literal["none", "global", "band", "block"] = option("global")
    """Zero mean and unit variance over the training set: one pair per channel (as published), or
    one per band, which lets small training sets converge sooner; block: magnitudes are divided by
    the largest one of their band in the training set."""
    implementation: Literal["spoofscope", "ptwt"] = option("spoofscope")
    """ptwt: the PyTorch wavelet toolbox, slower, and equal but for rounding."""

    def check(self, place: str) -> None:
        """Signs have a channel of their own only beside logarithms, and no band of their own."""
        super().check(place)
        if self.sign_channel and not self.log_scale:
            raise ConfigError(
                f"{place}: sign_channel needs log_scale; plain coefficients have signs already"
            )
        if self.sign_channel and self.normalise == "band":
            raise ConfigError(f"{place}: normalise: band does not go with sign_channel")
