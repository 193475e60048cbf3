"""What back-ends with gradient training have in common."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options.declared import Options, option


@dataclass(frozen=True, kw_only=True)
class LogitOptions(Options):
    """A back-end that ends with one logit, or with two."""

    n_outputs: Literal[1, 2] = option(1)
    """Logits: one (bona fide) or two (spoof, bona fide)."""
