"""A projection of the mean over time."""

from dataclasses import dataclass

from spoofscope.options.backends.base import LogitOptions
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class ProjectionOptions(LogitOptions):
    """The mean over time of the uppermost hidden state, two linear layers to an embedding, and one
    more to the logits."""

    hidden: int = option(256, minimum=1, maximum=65536)
    """Units of the first layer."""
    size: int = option(256, minimum=1, maximum=65536)
    """Of the embedding."""
