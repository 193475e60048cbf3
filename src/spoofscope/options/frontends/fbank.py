"""Logarithmic energies of frequency bands."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options.declared import option
from spoofscope.options.frontends.filters import FilterOptions


@dataclass(frozen=True, kw_only=True)
class FilterBankOptions(FilterOptions):
    """Logarithmic energies of triangular filters."""

    n_fft: int = option(512, minimum=16)
    """Samples of the window and of the Fourier transform."""
    hop: int = option(160, minimum=1)
    """Samples from frame to frame."""
    bands: int = option(80, minimum=1)
    """Triangular filters."""
    scale: Literal["linear", "mel"] = option("linear")
    """Filters equally wide in Hz, or in mel."""
    normalise: Literal["none", "band", "utterance"] = option("band")
    """Zero mean and unit variance per band over the training set, or over the clip."""
