"""Attentive statistics pooling."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options.backends.base import LogitOptions
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class AttentiveStatisticsOptions(LogitOptions):
    """The attention-weighted mean and standard deviation over time, and a linear layer."""

    layer: Literal["last", "weighted"] = option("last")
    """The uppermost hidden state, or a learned mix of all."""
    attention: int = option(128, minimum=1, maximum=65536)
    """Units of the attention."""
    dropout: float = option(0.0, minimum=0, exclusiveMaximum=1)
    """Probability, of the statistics."""
