"""A convolutional network."""

from dataclasses import dataclass

from spoofscope.options.backends.base import LogitOptions
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class CNNOptions(LogitOptions):
    """A small convolutional network."""

    hidden: int = option(64, minimum=1)
    """Units between the two last layers."""
    dropout: float = option(0.2, minimum=0, exclusiveMaximum=1)
    """Probability, in front of both last layers."""
