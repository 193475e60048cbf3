"""WaveFake and sets like it: one folder per generator, named with a capital letter in front.

Layout: Frank and Schönherr, "WaveFake: A Data Set to Facilitate Audio Deepfake Detection", NeurIPS
2021, as arranged by Gasenzer and Wolter, "Towards generalizing deep-audio fake detection networks",
TMLR 2024.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from spoofscope.corpora.base import Corpus, audio_files
from spoofscope.corpora.folder import speaker_of, speaker_pattern
from spoofscope.corpora.splitting import check_fractions, split_groups
from spoofscope.errors import ConfigError, CorpusError

_FOLDER = re.compile(r"^([A-Z])_(.+)$")
_GENERATED = re.compile(r"_(?:gen|generated)$")
_FROM_FOLDERS = ("utt_id", "path", "label", "system", "duration", "sample_rate")


class WaveFake(Corpus):
    """Folders `A_real`, `B_hifigan`, ...: letter A is bona fide, any other letter a generator.

    Other folders beside them are ignored. Utterance ids are `<folder>-<file>`; the condition
    `folder` says where a file lies and `base_utt` which sentence it is: the file name without a
    trailing `_gen` or `_generated`, unless the metadata say otherwise.

    Options:

    * `only_use`: names (without the letter) of the folders to use, bona fide ones included.
    * `metadata`: a comma-separated table, relative to the root, with the column `path` (relative
      to the root); its columns `split`, `speaker` and `base_utt` are used, `label` must agree with
      the folders, and further columns become conditions. Files that it does not list are errors.
    * `fractions`: how to split when the metadata do not: sorted groups are cut in this proportion.
    * `split_by`: `sentence` keeps all versions of one sentence in one split, `speaker` all
      sentences of one speaker.
    * `speaker`: a regular expression, searched in the path below the root; its group `speaker`, or
      its first one, is the speaker.
    """

    name: ClassVar[str] = "wavefake"
    obtain: ClassVar[str] = (
        "https://zenodo.org/records/5642694 (WaveFake), "
        "https://keithito.com/LJ-Speech-Dataset (bona fide)"
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "only_use": None,
        "metadata": None,
        "fractions": {"train": 0.7, "dev": 0.1, "eval": 0.2},
        "split_by": "sentence",
        "speaker": None,
    }

    def __init__(self, root: Path, options: Mapping[str, Any], *, key: str = "<name>") -> None:
        super().__init__(root, options, key=key)
        self._fractions = check_fractions(self.options["fractions"], self.owner)
        self._speaker = speaker_pattern(self.options["speaker"], self.owner)
        if self.options["split_by"] not in ("sentence", "speaker"):
            raise ConfigError(
                f"corpora.{key}.split_by must be 'sentence' or 'speaker', "
                f"not {self.options['split_by']!r}"
            )

    def rows(self) -> Iterable[Mapping[str, str]]:
        """One row per audio file of the generator folders."""
        metadata = self._metadata()
        rows = []
        for folder, letter, system in self._folders():
            for path in audio_files(folder):
                relative = path.relative_to(self.root)
                row = {
                    "base_utt": _GENERATED.sub("", path.stem),
                    "speaker": speaker_of(self._speaker, relative, self.owner),
                    **self._listed(metadata, relative),
                    "utt_id": "-".join(relative.with_suffix("").parts),
                    "path": str(path),
                    "label": "bonafide" if letter == "A" else "spoof",
                    "system": "-" if letter == "A" else system,
                    "folder": folder.name,
                }
                rows.append(row)
        if rows and "split" not in rows[0]:
            self._split(rows)
        return rows

    def _folders(self) -> list[tuple[Path, str, str]]:
        """Folder, letter and name of every source that is used."""
        found = [
            (path, match[1], match[2])
            for path in sorted(self.root.iterdir())
            if path.is_dir() and (match := _FOLDER.match(path.name))
        ]
        if not found:
            raise CorpusError(
                f"{self.root}: no folders such as A_real or B_hifigan; corpora.{self.key}.path "
                "must name the folder that holds them"
            )
        names = [name for _, _, name in found]
        wanted = self.options["only_use"] or names
        unknown = sorted(set(wanted) - set(names))
        if unknown:
            raise CorpusError(
                f"{self.root}: no folder for {unknown[0]!r} (corpora.{self.key}.only_use); there "
                f"are {', '.join(names)}"
            )
        return [source for source in found if source[2] in wanted]

    def _metadata(self) -> dict[str, dict[str, str]] | None:
        """Rows of the metadata by path, without the columns that the folders decide."""
        if self.options["metadata"] is None:
            return None
        table = self.need(self.options["metadata"])
        with open(table, encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if "path" not in (reader.fieldnames or ()):
                raise CorpusError(f"{table}: line 1: column 'path' is missing")
            rows: dict[str, dict[str, str]] = {}
            for row in reader:
                if None in row or None in row.values():
                    raise CorpusError(
                        f"{table}: line {reader.line_num}: not {len(reader.fieldnames or ())} "
                        "fields as in the header"
                    )
                path = Path(row["path"]).as_posix()
                if path in rows:
                    raise CorpusError(f"{table}: line {reader.line_num}: {path!r} is there twice")
                rows[path] = row
        return rows

    def _listed(
        self, metadata: Mapping[str, Mapping[str, str]] | None, relative: Path
    ) -> dict[str, str]:
        """What the metadata add to one file's row."""
        if metadata is None:
            return {}
        table = self.options["metadata"]
        row = metadata.get(relative.as_posix())
        if row is None:
            raise CorpusError(
                f"{self.root / relative}: not listed in {table}; complete the table or move the "
                "file away"
            )
        label = "bonafide" if relative.parts[0].startswith("A_") else "spoof"
        if row.get("label", label) != label:
            raise CorpusError(
                f"{self.root / relative}: {table} says {row['label']!r}, but the folder says "
                f"{label!r}"
            )
        return {name: text for name, text in row.items() if name not in _FROM_FOLDERS}

    def _split(self, rows: list[dict[str, str]]) -> None:
        column = "base_utt" if self.options["split_by"] == "sentence" else "speaker"
        if column == "speaker" and any(row["speaker"] in ("", "-") for row in rows):
            raise CorpusError(
                f"{self.owner}: split_by is speaker, but speakers are unknown; give `metadata` "
                "with that column, or a pattern `speaker`"
            )
        rows.sort(key=lambda row: (row[column], row["utt_id"]))
        splits = split_groups([row[column] for row in rows], self._fractions, self.owner)
        for row, split in zip(rows, splits, strict=True):
            row["split"] = split
