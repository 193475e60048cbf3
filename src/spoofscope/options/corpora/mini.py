"""The mini corpus, which the workflow generates."""

from dataclasses import dataclass
from typing import Annotated, Literal

from spoofscope.errors import ConfigError
from spoofscope.options.corpora.base import CorpusOptions
from spoofscope.options.declared import Options, option

_Number = Annotated[int, {"minimum": 1, "maximum": 1000}]
_Attack = Literal[
    "griffin_lim",
    "upsampling",
    "digital_silence",
    "buzz",
    "splice",
    "band_limit",
    "phase_smear",
    "quantised_envelope",
    "over_smoothed",
]
# Utterances are taken in pairs.
_Even = Annotated[int, {"minimum": 2, "maximum": 1000, "multipleOf": 2}]


@dataclass(frozen=True, kw_only=True)
class Speakers(Options):
    """Speakers of the mini corpus."""

    train: _Number = option(16)
    """Speakers in train."""
    dev: _Number = option(8)
    """Speakers in dev."""
    eval: _Number = option(10)
    """Speakers in eval."""


@dataclass(frozen=True, kw_only=True)
class Sentences(Options):
    """Sentences that each speaker of the mini corpus says."""

    train: _Even = option(6)
    """Sentences in train."""
    dev: _Even = option(8)
    """Sentences in dev."""
    eval: _Even = option(8)
    """Sentences in eval."""


@dataclass(frozen=True, kw_only=True)
class MiniGeneratorOptions(Options):
    """How large the mini corpus is, see docs/mini.md."""

    speakers: Speakers = option(Speakers)
    """Split to number of speakers."""
    sentences: Sentences = option(Sentences)
    """Split to sentences of each speaker, even numbers."""
    spoofs: _Even = option(2)
    """Utterances that each attack takes of each speaker, an even number."""
    attacks: tuple[_Attack, ...] | None = option(None, minItems=1, uniqueItems=True)
    """Only these attacks; null makes all."""
    codecs: tuple[Literal["mulaw", "opus", "mp3"], ...] = option(
        ("mulaw", "opus", "mp3"), uniqueItems=True
    )
    """Codecs that half of eval goes through in turn; none with an empty list."""

    def n_bonafide(self, split: str) -> int:
        """Bona fide utterances of a split."""
        return int(self.speakers.to_dict()[split] * self.sentences.to_dict()[split])

    def check(self, place: str) -> None:
        """There are as many sentences as spoofs."""
        for split, sentences in self.sentences.to_dict().items():
            if sentences < self.spoofs:
                raise ConfigError(
                    f"{place}.sentences.{split}: {sentences} is less than `spoofs`, {self.spoofs}"
                )


@dataclass(frozen=True, kw_only=True)
class MiniOptions(CorpusOptions):
    """The mini corpus, which the workflow generates."""

    options: MiniGeneratorOptions = option(MiniGeneratorOptions)
    """Of the generator, see docs/mini.md."""
    tracing: bool = option(False)
    """Read the spoofs for source tracing: without codecs, with attacks that train lacks."""

    @property
    def spoofs_alone(self) -> bool:
        """The lists of source tracing are of spoofs."""
        return self.tracing
