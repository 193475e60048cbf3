"""A linear layer."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options.backends.base import LogitOptions
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class LinearOptions(LogitOptions):
    """The mean over time of a hidden state, or of a mix of them, and a linear layer."""

    layer: Literal["last", "weighted"] = option("weighted")
    """The uppermost hidden state, or a learned mix of all."""
