"""Round trips through codecs."""

from dataclasses import dataclass

from spoofscope.options.declared import Options, optional, required
from spoofscope.options.effects.base import EffectOptions


@dataclass(frozen=True, kw_only=True)
class CodecChoice(Options):
    """A codec, and how it is asked."""

    name: str = required()
    """Codec, see docs/augmentation.md."""
    sample_rate: int = optional(minimum=1)
    """Hz at which it works; default: its own first choice."""
    bit_rate: int = optional(minimum=1)
    """bit/s, where the codec has a choice."""
    quality: float = optional(minimum=0, maximum=1)
    """Of Vorbis; default 0.4."""


@dataclass(frozen=True, kw_only=True)
class CodecOptions(EffectOptions):
    """A clip is encoded and decoded."""

    codecs: tuple[CodecChoice, ...] = required(minItems=1)
    """One is drawn."""
