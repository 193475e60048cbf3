"""Options of the aligners (`alignment/`), a class for each."""

from dataclasses import dataclass
from typing import Annotated, Literal

from spoofscope.options.declared import Options, option, optional, required
from spoofscope.options.trials import Name, Scored

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


@dataclass(frozen=True, kw_only=True)
class Vad(AlignerOptions):
    """Silence where the network Silero VAD hears no speech; needs the extra `vad`."""

    threshold: float = option(0.5, exclusiveMinimum=0, exclusiveMaximum=1)
    """Frames of 32 ms with a larger probability are speech."""
    shortest_silence: float = option(0.1, minimum=0, maximum=10)
    """Seconds; shorter silences count as speech."""
    shortest_speech: float = option(0.1, minimum=0, maximum=10)
    """Seconds; shorter sounds between silences count as silence."""
    padding: float = option(0.03, minimum=0, maximum=1)
    """Seconds of silence on either side of speech that count as speech."""


@dataclass(frozen=True, kw_only=True)
class Ctc(AlignerOptions):
    """Labels and words where a recogniser (CTC) finds the transcript."""

    backbone: Name = required()
    """A name of `backbones`, with `head: ctc`."""
    silence: Name = required()
    """The aligner whose silences bound the labels, and are part of the result."""
    tier: Literal["character", "phone"] = option("character")
    """What the recogniser's vocabulary is made of. Transcripts in phones have a blank between
    phones and ` | ` between words."""
    transcript: str | None = option(None)
    """A manifest column with what is said; null aligns what the recogniser itself hears."""
    recognise_missing: bool = option(False)
    """Where a clip has no transcript that can be aligned: align what the recogniser hears; else the
    clip has no labels."""
    longest: float = option(60.0, exclusiveMinimum=0, maximum=600)
    """Seconds; longer clips have no labels, because attention needs memory that grows with the
    square of their length."""


_TierOf = Annotated[dict[str, Tier], {"minProperties": 1}]


@dataclass(frozen=True, kw_only=True)
class ImportedOptions(AlignerOptions):
    """What all imports have."""

    tiers: _TierOf = required()
    """Name of a tier to the tier that it becomes; others are left out."""
    silence_labels: tuple[str, ...] = option(("", "sil", "sp", "pau", "<eps>"), uniqueItems=True)
    """Labels of phones and words that stand for silence, in small or capital letters."""


@dataclass(frozen=True, kw_only=True)
class TextGrids(ImportedOptions):
    """TextGrid files of Praat, as the Montreal Forced Aligner and others write them."""

    path: str = required()
    """The folder: `UTTERANCE.TextGrid`, at any depth."""
    tiers: _TierOf = option(lambda: {"phones": "phone", "words": "word"})
    """Name of a tier in the files to the tier that it becomes; others are left out."""


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
    "ctc": Ctc,
    "energy": Energy,
    "table": Segments,
    "textgrid": TextGrids,
    "vad": Vad,
}
"""Type to the class of its options."""
