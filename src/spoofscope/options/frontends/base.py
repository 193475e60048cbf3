"""What front-ends have in common."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.errors import ConfigError
from spoofscope.options.declared import Options, option


@dataclass(frozen=True, kw_only=True)
class FrontEndOptions(Options):
    """What every front-end can be told."""

    cache: Literal["framewise", "none"] = option("framewise")
    """Whether a frozen front-end is run once per corpus and its output kept."""
    precision: Literal["single", "half"] = option("single")
    """Of the kept output; half needs half of the disc, and changes scores by about 0.1 %."""

    def check(self, place: str) -> None:
        """Only what is kept has a precision."""
        if self.precision == "half" and self.cache == "none":
            raise ConfigError(
                f"{place}: precision is that of kept output, and cache: none keeps none"
            )


@dataclass(frozen=True, kw_only=True)
class SpectralOptions(FrontEndOptions):
    """A front-end on spectra."""

    sample_rate: int = option(16000, minimum=1000, maximum=768_000)
    """Hz; must be that of the input policy."""
