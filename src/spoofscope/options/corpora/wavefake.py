"""WaveFake and sets like it."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options import speaker_pattern
from spoofscope.options.corpora.base import Fractions, HeldOut, StoredOptions
from spoofscope.options.declared import Options, option


@dataclass(frozen=True, kw_only=True)
class Limits(Options):
    """The most clips of each folder in a split; null: all."""

    train: int | None = option(None, minimum=1)
    """Clips of each folder in train."""
    dev: int | None = option(None, minimum=1)
    """In dev."""
    eval: int | None = option(None, minimum=1)
    """In eval."""


@dataclass(frozen=True, kw_only=True)
class WaveFakeOptions(HeldOut, StoredOptions):
    """Folders of one generator each, named with a capital letter in front; A is bona fide."""

    only_use: tuple[str, ...] | None = option(None)
    """Names (without the letter) of the folders to use, bona fide ones included; null: all."""
    bonafide: tuple[str, ...] = option((), uniqueItems=True)
    """Names of folders of real speech beside that of letter A."""
    voices: dict[str, str] | None = option(None)
    """Voice to a pattern of folder names, for the condition `voice`; the longest pattern that
    matches counts."""
    limits: Limits = option(Limits)
    """The most clips of each folder in a split, the same sentences of all; default all."""
    metadata: str | None = option(None)
    """A CSV with the column path, relative to the folder; its columns split, speaker and base_utt
    are used, others become conditions."""
    fractions: Fractions = option(lambda: Fractions(train=0.7, dev=0.1, eval=0.2))
    """How to split where the metadata do not."""
    split_by: Literal["sentence", "speaker"] = option("sentence")
    """What stays in one split: all versions of a sentence, or all sentences of a speaker."""
    speaker: str | None = option(None)
    """Regular expression whose group `speaker` (or first group) is the speaker in a file's path."""

    def check(self, place: str) -> None:
        """The pattern of speakers is one."""
        super().check(place)
        speaker_pattern(self.speaker, place)

    @property
    def empty_splits(self) -> frozenset[str]:
        """Those without a share, where no table says the split."""
        return frozenset() if self.metadata is not None else self.fractions.without

    @property
    def filled_by(self) -> str:
        """The shares."""
        return "give it a share (key `fractions`)"
