"""Multi-head factorised attentive pooling."""

from dataclasses import dataclass

from spoofscope.options.backends.base import LogitOptions
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class FactorisedOptions(LogitOptions):
    """What factorised attention has in common."""

    heads: int = option(32, minimum=1)
    """Attention heads."""
    compression: int = option(128, minimum=1)
    """Size of the compressed keys and values."""


@dataclass(frozen=True, kw_only=True)
class MHFAOptions(FactorisedOptions):
    """Multi-head factorised attentive pooling."""

    attention_bias: bool = option(False)
    """A bias from keys to heads, as in the paper; changes no output."""
