"""SceneFake: the acoustic scene behind a real utterance is replaced by another one.

Layout: the released archive, `train`, `dev` and `eval`, each with `real/` and `fake/` (Yi et al.,
"SceneFake: An Initial Dataset and Benchmarks for Scene Fake Audio Detection", Pattern Recognition
152, 2024). The release does not say which enhancement system made which file.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from spoofscope.corpora.base import Corpus, audio_paths

_FOLDERS = {"real": "bonafide", "fake": "spoof"}


class SceneFake(Corpus):
    """The folder that holds `train`, `dev` and `eval`, or the one above it.

    Utterance ids are `<split>-<real or fake>-<file>`.
    """

    name: ClassVar[str] = "scenefake"
    obtain: ClassVar[str] = "https://zenodo.org/record/7663324"

    def found(self) -> Iterator[str]:
        """All audio of the class folders."""
        for split in self.splits:
            for folder in _FOLDERS:
                yield from audio_paths(self._below(split, folder))

    def _below(self, split: str, folder: str) -> Path:
        return self.need(f"{split}/{folder}", f"SceneFake/{split}/{folder}")

    def rows(self) -> Iterable[Mapping[str, str]]:
        """One row per audio file of the class folders."""
        for split in self.splits:
            for folder, label in _FOLDERS.items():
                below = self._below(split, folder)
                for path in self.audio_below(below):
                    names = path.relative_to(below).with_suffix("").parts
                    yield {
                        "utt_id": "-".join((split, folder, *names)),
                        "path": str(path),
                        "split": split,
                        "label": label,
                        "attack": "-" if label == "bonafide" else "unknown",
                    }
