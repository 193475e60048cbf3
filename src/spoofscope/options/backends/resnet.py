"""A residual network."""

from dataclasses import dataclass

from spoofscope.options.backends.base import LogitOptions
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class ResNetOptions(LogitOptions):
    """A small residual network."""

    width: int = option(16, minimum=1)
    """Channels of the first stage; the others have 2, 4 and 8 times as many."""
    dropout: float = option(0.2, minimum=0, exclusiveMaximum=1)
    """Probability, in front of the last layer."""
