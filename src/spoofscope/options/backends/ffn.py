"""A feed-forward network."""

from dataclasses import dataclass

from spoofscope.options.backends.base import LogitOptions
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class FFNOptions(LogitOptions):
    """A feed-forward network on a learned mix of layers, and attentive statistics."""

    legacy_pooling: bool = option(False)
    """Attentive statistics as the published code computes them, whose scale depends on the
    length."""
