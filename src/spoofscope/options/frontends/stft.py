"""Short-time Fourier spectra."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options.declared import option
from spoofscope.options.frontends.base import SpectralOptions


@dataclass(frozen=True, kw_only=True)
class STFTOptions(SpectralOptions):
    """Magnitudes of the short-time Fourier transform."""

    n_fft: int = option(511, minimum=2, maximum=1_048_576)
    """Samples of the window and of the Fourier transform: 511 gives 256 bins."""
    hop: int = option(220, minimum=1)
    """Samples from frame to frame."""
    log_scale: bool = option(True)
    """Take logarithms of the magnitudes."""
    power: float = option(2.0, exclusiveMinimum=0)
    """Of the magnitude: 2 for power, 1 for amplitude."""
    normalise: Literal["none", "global", "band"] = option("global")
    """Zero mean and unit variance over the training set: one pair for all bins (as published), or
    one per bin."""
