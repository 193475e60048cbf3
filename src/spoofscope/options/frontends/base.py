"""What front-ends have in common."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options.declared import Options, option


@dataclass(frozen=True, kw_only=True)
class FrontEndOptions(Options):
    """What every front-end can be told."""

    cache: Literal["framewise", "none"] = option("framewise")
    """Whether a frozen front-end is run once per corpus and its output kept."""


@dataclass(frozen=True, kw_only=True)
class SpectralOptions(FrontEndOptions):
    """A front-end on spectra."""

    sample_rate: int = option(16000, minimum=1000, maximum=768_000)
    """Hz; must be that of the input policy."""
