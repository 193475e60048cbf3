"""Context-aware multi-head factorised attentive pooling."""

from dataclasses import dataclass

from spoofscope.options.backends.mhfa import FactorisedOptions
from spoofscope.options.declared import option


@dataclass(frozen=True, kw_only=True)
class CAMHFAOptions(FactorisedOptions):
    """Factorised attention whose heads see neighbouring frames."""

    heads: int = option(64, minimum=1)
    """Attention heads."""
    context_frames: int = option(4, minimum=0, multipleOf=2)
    """Neighbouring frames that a head sees, half of them on either side; 0: none, as published."""
