"""In-the-Wild: public figures, recorded and faked, as found on the web.

Layout and counts: Müller et al., "Does Audio Deepfake Detection Generalize?", Interspeech 2022, and
the table `meta.csv` that comes with the audio.
"""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from spoofscope.corpora.splitting import DealtCorpus
from spoofscope.errors import CorpusError

_COLUMNS = ("file", "speaker", "label")
_LABELS = {"bona-fide": "bonafide", "spoof": "spoof"}


class InTheWild(DealtCorpus):
    """The folder `release_in_the_wild`, or the one above it: audio beside `meta.csv`.

    It is published as a test set, so everything is eval. To train on it, `fractions` deals its
    speakers to the splits, the real and the faked recordings of a person together.
    """

    name: ClassVar[str] = "in_the_wild"
    obtain: ClassVar[str] = "https://deepfake-total.com/in_the_wild (release_in_the_wild.zip)"

    def rows(self) -> Iterable[Mapping[str, str]]:
        """The lines of the table; which systems made the spoofs is not known."""
        return self._deal(self._lines(), lambda row: row["speaker"])

    def _lines(self) -> Iterable[Mapping[str, str]]:
        table = self.need("meta.csv", "release_in_the_wild/meta.csv")
        with open(table, encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if not set(_COLUMNS) <= set(reader.fieldnames or ()):
                raise CorpusError(f"{table}: line 1: the columns must be {', '.join(_COLUMNS)}")
            for row in reader:
                label = _LABELS.get(row["label"])
                if label is None:
                    raise CorpusError(
                        f"{table}: line {reader.line_num}: unknown label {row['label']!r}; it must "
                        f"be one of {', '.join(_LABELS)}"
                    )
                yield {
                    "utt_id": Path(row["file"]).stem,
                    "path": str(table.parent / row["file"]),
                    "label": label,
                    "system": "-" if label == "bonafide" else "unknown",
                    "speaker": row["speaker"],
                }

    def published_counts(self) -> dict[tuple[str, str], int] | None:
        """Counts of the paper, for the whole; there are none of splits."""
        if self.options["fractions"] is not None:
            return None
        return {("eval", "bonafide"): 19963, ("eval", "spoof"): 11816}
