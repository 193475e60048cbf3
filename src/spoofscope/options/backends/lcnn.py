"""A light convolutional network."""

from dataclasses import dataclass

from spoofscope.options.declared import Options


@dataclass(frozen=True, kw_only=True)
class LCNNOptions(Options):
    """The light convolutional network of the ASVspoof baselines."""
