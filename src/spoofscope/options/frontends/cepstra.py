"""Cepstra of filter banks."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.errors import ConfigError
from spoofscope.options.declared import option
from spoofscope.options.frontends.filters import FilterOptions


@dataclass(frozen=True, kw_only=True)
class CepstralOptions(FilterOptions):
    """Cepstra of triangular filters, with deltas."""

    n_fft: int = option(512, minimum=16, maximum=1_048_576)
    """Samples of the Fourier transform."""
    win: int | None = option(None, minimum=2)
    """Samples of the window; null: n_fft."""
    hop: int = option(256, minimum=1)
    """Samples from frame to frame."""
    n_filters: int = option(20, minimum=1, maximum=65536)
    """Triangular filters."""
    n_coefficients: int = option(20, minimum=1, maximum=65536)
    """Cepstra kept of them."""
    deltas: bool = option(True)
    """Append first and second differences."""
    normalise: Literal["none", "global", "utterance"] = option("none")
    """Zero mean and unit variance per coefficient over the training set, or over the clip."""

    def check(self, place: str) -> None:
        """Windows fit into the transform, and there are no more cepstra than filters."""
        super().check(place)
        if self.win is not None and self.win > self.n_fft:
            raise ConfigError(f"{place}: win {self.win} exceeds n_fft {self.n_fft}")
        if self.n_coefficients > self.n_filters:
            raise ConfigError(
                f"{place}: {self.n_coefficients} coefficients of {self.n_filters} filters do not "
                "exist"
            )
