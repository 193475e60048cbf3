"""Options of the aligners (`alignment/`), a class for each."""

from dataclasses import dataclass
from typing import Annotated, Literal

from spoofscope.options.declared import Options, option, optional, required
from spoofscope.options.trials import Scored

Tier = Literal["phone", "character", "word", "silence"]


@dataclass(frozen=True, kw_only=True)
class AlignerOptions(Options):
    """What every aligner has."""

    trials: tuple[Scored, ...] = optional(minItems=1)
    """The clips that it aligns, besides those that others ask of it."""


@dataclass(frozen=True, kw_only=True)
class Energy(AlignerOptions):
    """Silence where frames of 10 ms are far below the clip's loud frames."""

    below_db: float = option(40.0, exclusiveMinimum=0, maximum=120)
    """A frame is silent when its level is so many dB below the 95th percentile of the clip's
    frames; audits of corpora take 40."""
    shortest_silence: float = option(0.1, minimum=0, maximum=10)
    """Seconds; shorter silences, such as closures of plosives, count as speech."""
    shortest_speech: float = option(0.03, minimum=0, maximum=10)
    """Seconds; shorter sounds between silences, such as clicks, count as silence."""


_TierOf = Annotated[dict[str, Tier], {"minProperties": 1}]


@dataclass(frozen=True, kw_only=True)
class ImportedOptions(AlignerOptions):
    """What all imports have."""

    tiers: _TierOf = required()
    """Name of a tier to the tier that it becomes; others are left out."""
    silence_labels: tuple[str, ...] = option(("", "sil", "sp", "pau", "<eps>"), uniqueItems=True)
    """Labels of phones and words that stand for silence, in small or capital letters."""


@dataclass(frozen=True, kw_only=True)
class Segments(ImportedOptions):
    """A table of segments: utt_id, start, end (s), tier, label."""

    path: str = optional()
    """The table; default: the segments that come with the corpus."""
    tiers: _TierOf = option(
        lambda: {name: name for name in ("phone", "character", "word", "silence")}
    )
    """Name of a tier in the table to the tier that it becomes; others are left out."""


ALIGNERS: dict[str, type[AlignerOptions]] = {
    "energy": Energy,
    "table": Segments,
}
"""Type to the class of its options."""
