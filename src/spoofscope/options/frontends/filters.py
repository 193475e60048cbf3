"""Banks of triangular filters."""

from dataclasses import dataclass

from spoofscope.errors import ConfigError
from spoofscope.options.declared import option
from spoofscope.options.frontends.base import SpectralOptions


@dataclass(frozen=True, kw_only=True)
class FilterOptions(SpectralOptions):
    """A front-end on a bank of triangular filters."""

    f_min: float = option(0.0, minimum=0)
    """Hz, lower edge of the first filter."""
    f_max: float | None = option(None)
    """Hz, upper edge of the last filter; null: half the sample rate."""
    log_offset: float = option(1e-6, exclusiveMinimum=0)
    """Added to the filters' energies before the logarithm."""

    def check(self, place: str) -> None:
        """The edges lie, in their order, below half the sample rate."""
        super().check(place)
        nyquist = self.sample_rate / 2
        f_max = nyquist if self.f_max is None else self.f_max
        if not self.f_min < f_max <= nyquist:
            raise ConfigError(
                f"{place}: f_min {self.f_min} and f_max {f_max} must lie, in this order, "
                f"between 0 and {nyquist:g} Hz"
            )
