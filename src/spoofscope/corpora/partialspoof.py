"""PartialSpoof: utterances of ASVspoof 2019 LA in which segments were exchanged.

Layout and counts: Zhang et al., "The PartialSpoof Database and Countermeasures for the Detection of
Short Fake Speech Segments Embedded in an Utterance", IEEE/ACM TASLP 31, 2023, as released (version
1.2): protocols with the columns of ASVspoof 2019 LA, audio in `<split>/con_wav`, and labels of
short segments in `segment_labels`.
"""

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.corpora.asvspoof2019_la import COUNTS, protocol_rows
from spoofscope.corpora.base import Corpus
from spoofscope.errors import CorpusError
from spoofscope.tables import SEGMENT_COLUMNS

# The finest labels; coarser ones call a segment spoofed when any part of it is.
_RESOLUTION = "0.01"


class PartialSpoof(Corpus):
    """The folder `database` of the release, or the one above it.

    Spoofed stretches are segments of the tier `artefact`, from `segment_labels/<split>_seglab_0.01`
    with its resolution of 10 ms.
    """

    name: ClassVar[str] = "partialspoof"
    protocols: ClassVar[tuple[str, ...]] = tuple(
        f"{above}{labels}"
        for above in ("", "database/")
        for labels in (
            "protocols/PartialSpoof_LA_cm_protocols/*",
            "segment_labels/*_seglab_0.01.npy",
        )
    )
    obtain: ClassVar[str] = "https://zenodo.org/records/5766198 (with segment labels 1.2)"

    def rows(self) -> Iterable[Mapping[str, str]]:
        """The lines of the protocols."""
        for split in self.splits:
            protocol = f"protocols/PartialSpoof_LA_cm_protocols/PartialSpoof.LA.cm.{split}.trl.txt"
            path = self._find(protocol)
            folder = self._find(f"{split}/con_wav")
            yield from protocol_rows(path, split, folder, ".wav")

    def segments(self) -> pl.DataFrame:
        """The spoofed stretches of the splits in use."""
        step = float(_RESOLUTION)
        rows = []
        for split in self.splits:
            path = self._find(f"segment_labels/{split}_seglab_{_RESOLUTION}.npy")
            for utt_id, labels in sorted(_segment_labels(path).items()):
                for first, last in _runs(labels == "0"):
                    start, end = round(first * step, 2), round(last * step, 2)
                    rows.append((utt_id, start, end, "artefact", "spoof"))
        return pl.DataFrame(rows, schema=SEGMENT_COLUMNS, orient="row")

    def _find(self, relative: str) -> Path:
        return self.need(relative, f"database/{relative}")

    def published_counts(self) -> dict[tuple[str, str], int]:
        """As many as in ASVspoof 2019 LA."""
        return COUNTS


def _runs(marked: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and one after the last index of every run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], marked.astype(np.int8), [0]))))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


class _ArraysOnly(pickle.Unpickler):
    """The labels are a pickled dict of arrays of strings; whatever else would be run is refused."""

    _ALLOWED = frozenset(
        (module, name)
        for module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
        for name in ("ndarray", "dtype", "_reconstruct", "scalar")
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"it would run {module}.{name}")
        return super().find_class(module, name)


def _segment_labels(path: Path) -> dict[str, npt.NDArray[np.str_]]:
    """Labels by utterance, one per segment: "1" bona fide, "0" spoofed.

    Raises:
        CorpusError: no such labels, or a file that would run code when it is read.
    """
    try:
        with open(path, "rb") as stream:
            content = _object_of(stream)
    except (ValueError, EOFError, AttributeError, pickle.UnpicklingError) as error:
        raise CorpusError(f"{path}: not the segment labels of the release: {error}") from error
    labels = {}
    for utt_id, values in content.items():
        array = np.asarray(values).astype(str)
        if array.ndim != 1 or not np.isin(array, ("0", "1")).all():
            raise CorpusError(f"{path}: {utt_id}: segment labels must be a row of 0 and 1")
        labels[str(utt_id)] = array
    return labels


def _object_of(stream: BinaryIO) -> dict[Any, Any]:
    """The dict that `numpy.save` wrote."""
    version = np.lib.format.read_magic(stream)
    read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    read_header(stream)
    content = _ArraysOnly(stream).load()
    if isinstance(content, np.ndarray) and content.shape == ():
        content = content.item()
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}")
    return content
