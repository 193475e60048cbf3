"""Corpora of one folder per split, each with `real/` and `fake/`, that name no attack."""

from abc import ABC
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from spoofscope.corpora.base import Corpus, audio_paths
from spoofscope.tables import SPLITS

_FOLDERS = {"real": "bonafide", "fake": "spoof"}


class RealAndFake(Corpus, ABC):
    """Utterance ids are `<folder of the split>-<real or fake>-<file>`."""

    split_folders: ClassVar[Mapping[str, str]] = {split: split for split in SPLITS}
    # Folders that may stand between the root and those of the splits.
    inside: ClassVar[tuple[str, ...]] = ()

    def found(self) -> Iterator[str]:
        """All audio of the class folders."""
        for split in self.splits:
            for folder in _FOLDERS:
                yield from audio_paths(self._below(split, folder))

    def _below(self, split: str, folder: str) -> Path:
        below = f"{self.split_folders[split]}/{folder}"
        return self.need(below, *(f"{name}/{below}" for name in self.inside))

    def rows(self) -> Iterable[Mapping[str, str]]:
        """One row per audio file of the class folders."""
        for split in self.splits:
            for folder, label in _FOLDERS.items():
                below = self._below(split, folder)
                for path in self.audio_below(below):
                    names = path.relative_to(below).with_suffix("").parts
                    yield {
                        "utt_id": "-".join((self.split_folders[split], folder, *names)),
                        "path": str(path),
                        "split": split,
                        "label": label,
                        "attack": "-" if label == "bonafide" else "unknown",
                    }
