"""In-the-Wild: public figures, recorded and faked, as found on the web.

Layout and counts: Müller et al., "Does Audio Deepfake Detection Generalize?", Interspeech 2022, and
the table `meta.csv` that comes with the audio.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from spoofscope.corpora.base import label_of
from spoofscope.corpora.splitting import DealtCorpus
from spoofscope.rows import check_columns, read_header

_COLUMNS = ("file", "speaker", "label")
_LABELS = {"bona-fide": "bonafide", "spoof": "spoof"}


class InTheWild(DealtCorpus):
    """The folder `release_in_the_wild`, or the one above it: audio beside `meta.csv`.

    It is published as a test set, so everything is eval. To train on it, `fractions` deals its
    speakers to the splits, the real and the faked recordings of a person together.
    """

    name: ClassVar[str] = "in_the_wild"
    protocols: ClassVar[tuple[str, ...]] = ("meta.csv", "release_in_the_wild/meta.csv")
    obtain: ClassVar[str] = "https://deepfake-total.com/in_the_wild (release_in_the_wild.zip)"

    def rows(self) -> Iterable[Mapping[str, str]]:
        """The lines of the table; which attacks made the spoofs is not known."""
        return self._deal(self._lines(), lambda row: row["speaker"])

    def _lines(self) -> Iterable[Mapping[str, str]]:
        table = self.need("meta.csv", "release_in_the_wild/meta.csv")
        metadata = read_header(table, ",")
        check_columns(table, metadata.header, _COLUMNS)
        for number, row in metadata.records(_COLUMNS):
            label = label_of(table, number, row["label"], _LABELS)
            yield {
                "utt_id": Path(row["file"]).stem,
                "path": str(table.parent / row["file"]),
                "label": label,
                "attack": "-" if label == "bonafide" else "unknown",
                "speaker": row["speaker"],
            }

    def published_counts(self) -> dict[tuple[str, str], int] | None:
        """Counts of the paper, for the whole; there are none of splits."""
        if self.options.fractions is not None:
            return None
        return {("eval", "bonafide"): 19963, ("eval", "spoof"): 11816}
