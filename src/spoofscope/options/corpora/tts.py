"""Human recordings beside what synthesizers of this machine say."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal

from spoofscope.errors import ConfigError
from spoofscope.options.corpora.base import CorpusOptions, Fractions
from spoofscope.options.declared import Options, option, required
from spoofscope.options.trials import Split

_Rate = Annotated[float, {"minimum": 0.5, "maximum": 2}]
# Voices are written into commands of the engines.
_Voice = Annotated[str, {"pattern": "[A-Za-z0-9][A-Za-z0-9_+-]*"}]
_Clips = Annotated[int, {"minimum": 1, "maximum": 1000000}]


@dataclass(frozen=True, kw_only=True)
class TtsEngine(Options):
    """Voices of one synthesizer."""

    engine: Literal["espeak-ng", "festival", "flite", "hibari", "piper"] = required()
    """The synthesizer, which is a command of this machine."""
    voices: tuple[_Voice, ...] = required(minItems=1, uniqueItems=True)
    """Its voices; each is an attack, called `<engine>_<voice>`."""
    rates: tuple[_Rate, ...] = option((1.0,), minItems=1, uniqueItems=True)
    """How fast they speak, as factors; sentences take them in turn."""
    splits: tuple[Split, ...] = option(("train", "dev", "eval"), minItems=1, uniqueItems=True)
    """Where they are heard; an engine in eval only is one that detectors do not know."""


@dataclass(frozen=True, kw_only=True)
class TtsClips(Options):
    """The most clips in each split."""

    train: _Clips = option(200)
    """In train."""
    dev: _Clips = option(100)
    """In dev."""
    eval: _Clips = option(200)
    """In eval."""


@dataclass(frozen=True, kw_only=True)
class TtsOptions(CorpusOptions):
    """Bona fide recordings of another corpus, beside speech of synthesizers that this machine has;
    the workflow makes it, see docs/tts.md. Exactly one of `text`, `sentences` and `sentence_file`
    says what they speak.
    """

    human: str = required()
    """The corpus of this study whose bona fide recordings are taken."""
    fractions: Fractions | None = option(None)
    """How its speakers are dealt to the splits; null: its own splits stay."""
    engines: tuple[TtsEngine, ...] = required(minItems=1)
    """The synthesizers."""
    text: str | None = option(None)
    """The column of its manifest with what the recordings say, which is spoken in their split."""
    sentences: tuple[str, ...] | None = option(None, minItems=1, uniqueItems=True)
    """Sentences, which are dealt to the splits."""
    sentence_file: str | None = option(None)
    """The same in a file, one a line."""
    human_clips: TtsClips = option(TtsClips)
    """The most recordings in each split; more are drawn from."""
    voice_clips: TtsClips = option(TtsClips)
    """The most clips of each voice in each split; with few sentences there are fewer."""
    sample_rate: int = option(16000, minimum=8000, maximum=48000)
    """Of all clips, in Hz."""

    def check(self, place: str) -> None:
        """There is one source of sentences, and a voice stands in one place."""
        super().check(place)
        given = [key for key in ("text", "sentences", "sentence_file") if getattr(self, key)]
        if len(given) != 1:
            raise ConfigError(
                f"{place}: exactly one of `text`, `sentences` and `sentence_file` says what is "
                f"spoken, not {' and '.join(given) or 'none'}"
            )
        seen: set[tuple[str, str]] = set()
        for i, entry in enumerate(self.engines):
            for voice in entry.voices:
                if (entry.engine, voice) in seen:
                    raise ConfigError(
                        f"{place}.engines[{i}].voices: {voice!r} of {entry.engine} is there twice; "
                        "a voice has one list of splits"
                    )
                seen.add((entry.engine, voice))
        if self.fractions is not None:
            self.check_voices(place, {"train", "dev"} - self.empty_splits)
            n_splits = 3 - len(self.empty_splits)
            if self.sentences is not None and len(self.sentences) < n_splits:
                raise ConfigError(
                    f"{place}.sentences: {len(self.sentences)} cannot fill {n_splits} splits, and "
                    "no sentence is spoken in two; write more, or change `fractions`"
                )

    def check_voices(self, place: str, filled: Collection[str]) -> None:
        """Refuse what could not be read when all is spoken: nothing is trained or selected on one
        class.

        Args:
            place: of the entry, for messages.
            filled: train and dev, as far as there are recordings for them.
        """
        for split in ("train", "dev"):
            read = self.splits is None or split in self.splits
            if read and split in filled and not self.attacks_of(split):
                raise ConfigError(
                    f"{place}.engines: no voice speaks in {split}, and train and dev need both "
                    f"classes; name {split} in the `splits` of a voice, or leave it out of the "
                    "`splits` of the corpus"
                )

    @property
    def empty_splits(self) -> frozenset[str]:
        """Those without a share of the speakers."""
        return frozenset() if self.fractions is None else self.fractions.without

    @property
    def filled_by(self) -> str:
        """The shares."""
        return "give it a share of the speakers (key `fractions`)"

    def attacks_of(self, split: str) -> frozenset[str]:
        """Its voices, and what they are called."""
        return frozenset(
            f"{entry.engine}_{voice}"
            for entry in self.engines
            for voice in entry.voices
            if split in entry.splits
        )
