"""DFADD: speakers of VCTK, and synthesizers by diffusion and flow matching.

Layout: Du et al., "DFADD: The Diffusion and Flow-Matching Based Audio Deepfake Dataset", SLT 2024,
as its archives unpack: `DATASET_<generator>/<train, valid or test>/<speaker>_<number>_<generator>`,
and `DATASET_VCTK_BONAFIDE` with names that end after the number. Counts are those of the test
set, as third parties give them; nobody has compared them with the release here.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from spoofscope.corpora.base import Corpus, audio_paths
from spoofscope.errors import CorpusError

_BONAFIDE = "VCTK_BONAFIDE"
_GENERATORS = ("GradTTS", "MatchaTTS", "NaturalSpeech2", "PflowTTS", "StyleTTS2")
_FOLDERS = {"train": "train", "dev": "valid", "eval": "test"}
_NAME = re.compile(r"(?P<speaker>[ps]\d+)_\d+(?P<generator>_.+)?")


class DFADD(Corpus):
    """The folder that holds `DATASET_VCTK_BONAFIDE` and those of the generators.

    Folders of generators that were not fetched may be missing. Utterance ids are
    `<generator or VCTK_BONAFIDE>-<file>`.
    """

    name: ClassVar[str] = "dfadd"
    obtain: ClassVar[str] = "https://huggingface.co/datasets/isjwdu/DFADD"
    counted_by: ClassVar[str] = "third parties"

    def _present(self) -> list[str]:
        """The generators whose folders are there.

        Raises:
            CorpusError: a folder has the name of none of the release.
        """
        found = {path.name.removeprefix("DATASET_") for path in self.root.glob("DATASET_*/")}
        unknown = sorted(found - {_BONAFIDE, *_GENERATORS})
        if unknown:
            raise CorpusError(
                f"{self.root / f'DATASET_{unknown[0]}'}: no generator of the release; it has "
                f"{', '.join(_GENERATORS)}. Rename the folder, or take it out"
            )
        return [name for name in _GENERATORS if name in found]

    def _folders(self) -> Iterator[tuple[str, str, Path]]:
        # One generator has to be there, and one that is has all splits.
        generators = self._present() or _GENERATORS[:1]
        for split in self.splits:
            for name in (_BONAFIDE, *generators):
                yield split, name, self.need(f"DATASET_{name}/{_FOLDERS[split]}")

    def found(self) -> Iterator[str]:
        """All audio of the folders."""
        for _, _, folder in self._folders():
            yield from audio_paths(folder)

    def rows(self) -> Iterable[Mapping[str, str]]:
        """One row per audio file.

        Raises:
            CorpusError: a clip is named as those of the other class are.
        """
        for split, name, folder in self._folders():
            bonafide = name == _BONAFIDE
            for path in self.audio_below(folder):
                named = _NAME.fullmatch(path.stem)
                if named is None or (named["generator"] is None) != bonafide:
                    raise CorpusError(
                        f"{path}: clips of generators have names such as p236_274_GradTTS, bona "
                        f"fide ones such as p236_274. If DATASET_{_BONAFIDE} was merged into the "
                        "folders of generators, take its clips out of them: they are read from "
                        "their own folder"
                    )
                yield {
                    "utt_id": f"{name}-{path.stem}",
                    "path": str(path),
                    "split": split,
                    "label": "bonafide" if bonafide else "spoof",
                    "attack": "-" if bonafide else name,
                    "speaker": named["speaker"],
                }

    def published_counts(self) -> dict[tuple[str, str], int]:
        """Bona fide clips of the test set; those of spoofs are in :meth:`published_levels`."""
        return {("eval", "bonafide"): 755}

    def published_levels(self) -> dict[tuple[str, str, str], int]:
        """Clips of each generator in the test set, of those that were fetched."""
        return {("eval", "attack", name): 600 for name in self._present()}
