"""Own recordings: folders named bonafide/ and spoof/<attack>/."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from spoofscope.audio import has_suffix
from spoofscope.corpora.base import Problem, audio_files, audio_paths, of_audio
from spoofscope.corpora.splitting import DealtCorpus
from spoofscope.errors import CorpusError
from spoofscope.files import shown
from spoofscope.names import ALL, NONE, check_attack
from spoofscope.options import speaker_pattern
from spoofscope.options.corpora.folder import FolderOptions
from spoofscope.recordings import portable_path
from spoofscope.tables import SPLITS

_CLASSES = ("bonafide", "spoof")


class FolderCorpus(DealtCorpus):
    """Audio in `bonafide/...` and `spoof/<attack>/...`, or the same below `train`, `dev`, `eval`.

    Utterance ids are the relative paths with "-" for "/" and without suffix. Files that lie
    directly in `spoof/` have the attack `unknown`. Where there are no folders train, dev and eval,
    whole speakers (or, without `speaker`, all files of one name) are dealt to the splits together.
    """

    name: ClassVar[str] = "folder"
    declared = FolderOptions
    options: FolderOptions

    def __init__(self, root: Path, options: Mapping[str, Any], *, key: str = "<name>") -> None:
        super().__init__(root, options, key=key)
        self._speaker = speaker_pattern(self.options.speaker, self.owner)

    def found(self) -> Iterator[str]:
        """All audio below the class folders, of the splits in use where these are folders."""
        splits = self._split_folders()
        folders = [self.root / s for s in splits if s in self.splits] if splits else [self.root]
        for folder in folders:
            for source, _ in self._sources(folder):
                yield from audio_paths(source)
            yield from (str(path) for path in self._loose(folder / "spoof") if has_suffix(path))

    def _split_folders(self) -> list[str]:
        return [split for split in SPLITS if (self.root / split).is_dir()]

    def rows(self) -> Iterable[Mapping[str, str]]:
        """One row per audio file below the class folders."""
        split_folders = self._split_folders()
        self._check_names(self.root, SPLITS if split_folders else (*_CLASSES, *SPLITS))
        for split in split_folders:
            self._check_names(self.root / split, _CLASSES)
        if split_folders and self.options.fractions is not None:
            raise CorpusError(
                f"{self.root}: has the folders {', '.join(split_folders)}, which are its splits; "
                f"remove corpora.{self.key}.fractions"
            )
        if split_folders:
            rows = [
                {**row, "split": split}
                for split in split_folders
                for row in self._class_folders(self.root / split)
            ]
        else:
            rows = self._deal(self._class_folders(self.root), self._group)
        return rows

    def _check_names(self, folder: Path, wanted: Sequence[str]) -> None:
        """Refuse a folder whose name is meant for one that is read, and is not."""
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            meant = re.sub(r"[\W_]+", "", path.name).casefold()
            if meant in wanted and path.name != meant and path.is_dir():
                raise CorpusError(
                    f"{shown(path)}: rename this folder to {meant!r} ({self.owner}); as it is "
                    "called, its recordings would be left out"
                )

    def left_out(self) -> list[Problem]:
        """See `Corpus.left_out`; also the folders beside those that are read."""
        splits = self._split_folders()
        levels = [(self.root, tuple(splits) or _CLASSES)]
        levels += [(self.root / split, _CLASSES) for split in splits if split in self.splits]
        problems = super().left_out()
        for folder, used in levels:
            for path in sorted(folder.iterdir()):
                if path.name in used or path.name.startswith(".") or not path.is_dir():
                    continue
                n = len(audio_files(path))
                reason = f"{n} audio files in a folder that is none of {', '.join(used)}: left out"
                if n:
                    name = f"{shown(path.relative_to(self.root))}/"
                    problems.append(Problem(f"*{name}", portable_path(path), ALL, NONE, reason))
        return problems

    def _group(self, row: Mapping[str, str]) -> str:
        return row["speaker"] if self._speaker else Path(row["path"]).stem

    @staticmethod
    def _sources(folder: Path) -> list[tuple[Path, str]]:
        """Folders of audio with the attack that each is of."""
        sources = [(folder / "bonafide", "-")]
        spoof = folder / "spoof"
        if spoof.is_dir():
            attacks = [p for p in spoof.iterdir() if p.is_dir() and not p.name.startswith(".")]
            sources += [(p, p.name) for p in sorted(attacks)]
        return sources

    @staticmethod
    def _loose(spoof: Path) -> list[Path]:
        """Files that lie directly in the folder."""
        if not spoof.is_dir():
            return []
        return [p for p in spoof.iterdir() if not p.name.startswith(".") and not p.is_dir()]

    def _class_folders(self, folder: Path) -> list[dict[str, str]]:
        spoof = folder / "spoof"
        sources = self._sources(folder)
        for source, attack in sources[1:]:
            check_attack(attack, "spoof", f"{source}: rename this folder ({self.owner})")
        rows = [
            self._row(path, attack)
            for source, attack in sources
            for path in self.audio_below(source)
        ]
        rows += [
            self._row(path, "unknown")
            for path in self.taken(of_audio(self._loose(spoof), self._others), spoof)
        ]
        if not rows:
            raise CorpusError(
                f"{folder}: no audio in bonafide/ or spoof/<attack>/ below this folder "
                f"({self.owner})"
            )
        return rows

    def _row(self, path: Path, attack: str) -> dict[str, str]:
        relative = path.relative_to(self.root)
        return {
            "utt_id": "-".join(relative.with_suffix("").parts),
            "path": str(path),
            "label": "bonafide" if attack == "-" else "spoof",
            "attack": attack,
            "speaker": speaker_of(self._speaker, relative, self.owner),
        }


def speaker_of(pattern: re.Pattern[str] | None, relative: Path, owner: str) -> str:
    """The speaker that the pattern finds in a path below the root, "-" without a pattern.

    Raises:
        CorpusError: the pattern does not match, or the speaker is empty.
    """
    if pattern is None:
        return "-"
    match = pattern.search(relative.as_posix())
    speaker = match["speaker" if "speaker" in pattern.groupindex else 1] if match else None
    if not speaker:
        raise CorpusError(
            f"{owner}: the speaker pattern {pattern.pattern!r} finds nothing in "
            f"{relative.as_posix()!r}"
        )
    return str(speaker)
