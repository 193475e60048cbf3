"""Nearest fingerprints."""

from dataclasses import dataclass

from spoofscope.options.declared import Options, option


@dataclass(frozen=True, kw_only=True)
class FingerprintBackEndOptions(Options):
    """How much closer a clip's mean spectrum is to bona fide speech than to any generator."""

    bands: int = option(256, minimum=2, maximum=65536)
    """Bands that a clip's spectrum is averaged in; divides those of the front-end."""
