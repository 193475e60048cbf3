"""SpoofCeleb: recordings of VoxCeleb1 and 23 synthesizers that were trained on them.

Layout: Jung et al., "SpoofCeleb: Speech Deepfake Detection and SASV in the Wild", IEEE Open Journal
of Signal Processing 6, 2025, as it is released: `flac/<split>/<attack>/<speaker>/<file>` and
`metadata/<split>.csv` with the columns file, speaker and attack, `a00` for bona fide. Counts are
those of one table that a third party made; nobody has compared them with the release here.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import ClassVar

from spoofscope.corpora.base import Corpus
from spoofscope.errors import CorpusError
from spoofscope.rows import check_columns, read_header

_COLUMNS = ("file", "speaker", "attack")
_BONAFIDE = "a00"
_FOLDERS = {"train": "train", "dev": "development", "eval": "evaluation"}


class SpoofCeleb(Corpus):
    """The folder that holds `flac` and `metadata`, or the one above it.

    Utterance ids are `<attack>-<speaker>-<file>`.
    """

    name: ClassVar[str] = "spoofceleb"
    protocols: ClassVar[tuple[str, ...]] = ("metadata/*.csv", "spoofceleb/metadata/*.csv")
    obtain: ClassVar[str] = "https://huggingface.co/datasets/jungjee/spoofceleb"
    counted_by: ClassVar[str] = "one third party"

    def rows(self) -> Iterable[Mapping[str, str]]:
        """The lines of the tables."""
        for split in self.splits:
            name = f"metadata/{_FOLDERS[split]}.csv"
            table = self.need(name, f"spoofceleb/{name}")
            folder = table.parents[1] / "flac" / _FOLDERS[split]
            metadata = read_header(table, ",")
            check_columns(table, metadata.header, _COLUMNS)
            for number, row in metadata.records(_COLUMNS):
                if not re.fullmatch(r"a\d\d", row["attack"]):
                    raise CorpusError(
                        f"{table}: line {number}: unknown attack {row['attack']!r}; it must be "
                        f"{_BONAFIDE} (bona fide), or a01 and so on"
                    )
                parts = row["file"].split("/")
                if parts[:-1] != [row["attack"], row["speaker"]] or parts[-1] in ("", ".", ".."):
                    raise CorpusError(
                        f"{table}: line {number}: the file {row['file']!r} is not of attack "
                        f"{row['attack']!r} and speaker {row['speaker']!r}; it must be "
                        "ATTACK/SPEAKER/NAME"
                    )
                bonafide = row["attack"] == _BONAFIDE
                yield {
                    "utt_id": "-".join(PurePosixPath(row["file"]).with_suffix("").parts),
                    "path": str(folder / row["file"]),
                    "split": split,
                    "label": "bonafide" if bonafide else "spoof",
                    "attack": "-" if bonafide else row["attack"],
                    "speaker": row["speaker"],
                }

    def published_counts(self) -> dict[tuple[str, str], int]:
        """Lines of the tables, as one third party counted them."""
        return {
            ("train", "bonafide"): 230948,
            ("train", "spoof"): 2309473,
            ("dev", "bonafide"): 7963,
            ("dev", "spoof"): 47778,
            ("eval", "bonafide"): 9113,
            ("eval", "spoof"): 82017,
        }
