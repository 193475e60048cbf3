"""HAD (half-truth audio detection): real Mandarin utterances in which some words are replaced.

Yi et al., "Half-Truth: A Partially Fake Audio Detection Dataset", Interspeech 2021. Layout: the
released archive, `HAD_train`, `HAD_dev` and `HAD_test`, each with a list of lines `<file> <regions>
<label>`, where label 1 is real and 0 fake, and a region is `<start>-<end>-T` (real) or `-F` (fake)
in seconds, with "/" between regions.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple

import polars as pl

from spoofscope.corpora.base import Corpus, read_protocol
from spoofscope.errors import CorpusError
from spoofscope.tables import SEGMENT_COLUMNS

_NAMES = {"train": "train", "dev": "dev", "eval": "test"}
_LABELS = {"1": "bonafide", "0": "spoof"}
_REGION = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)-([TF])", re.ASCII)


class _Line(NamedTuple):
    utt_id: str
    label: str
    fake: list[tuple[float, float]]
    real: list[tuple[float, float]]


class HalfTruth(Corpus):
    """The folder that holds `HAD_train`, `HAD_dev` and `HAD_test`.

    Spoofs are of the attack `partial`, or `full` where no region is real. Fake regions are segments
    of the tier `artefact`.
    """

    name: ClassVar[str] = "half_truth"
    protocols: ClassVar[tuple[str, ...]] = ("HAD_*/HAD_*_label.txt",)
    obtain: ClassVar[str] = "https://zenodo.org/records/10377492 (HAD.zip)"

    def rows(self) -> Iterable[Mapping[str, str]]:
        """The lines of the lists."""
        for split in self.splits:
            name = _NAMES[split]
            # The archives inside the archive were not packed alike.
            audio = self.need(
                *(f"HAD_{name}/{below}" for below in (f"{name}/conbine", "conbine", "test"))
            )
            for line in self._lines(split):
                kind = "partial" if line.real else "full"
                yield {
                    "utt_id": line.utt_id,
                    "path": str(audio / f"{line.utt_id}.wav"),
                    "split": split,
                    "label": line.label,
                    "attack": "-" if line.label == "bonafide" else kind,
                }

    def segments(self) -> pl.DataFrame:
        """The fake regions of the splits in use."""
        rows = [
            (line.utt_id, start, end, "artefact", "fake")
            for split in self.splits
            for line in self._lines(split)
            for start, end in line.fake
        ]
        return pl.DataFrame(rows, schema=SEGMENT_COLUMNS, orient="row")

    def _lines(self, split: str) -> Iterator[_Line]:
        path = self.need(f"HAD_{_NAMES[split]}/HAD_{_NAMES[split]}_label.txt")
        for number, line in read_protocol(path, ("utt_id", "regions", "label")):
            label = _LABELS.get(line["label"])
            if label is None:
                raise CorpusError(
                    f"{path}: line {number}: unknown label {line['label']!r}; 1 is real, 0 is fake"
                )
            regions = _regions(path, number, line["regions"])
            if (label == "spoof") != bool(regions["F"]):
                raise CorpusError(
                    f"{path}: line {number}: label {line['label']} with the regions "
                    f"{line['regions']!r}"
                )
            yield _Line(line["utt_id"], label, regions["F"], regions["T"])


def _regions(path: Path, number: int, text: str) -> dict[str, list[tuple[float, float]]]:
    """Start and end (s) of the real (T) and fake (F) regions; those without length are left out."""
    regions: dict[str, list[tuple[float, float]]] = {"T": [], "F": []}
    for region in text.split("/"):
        match = _REGION.fullmatch(region)
        if match is None or float(match[2]) < float(match[1]):
            raise CorpusError(f"{path}: line {number}: {region!r} is no region such as 0.00-1.25-F")
        if float(match[2]) > float(match[1]):
            regions[match[3]].append((float(match[1]), float(match[2])))
    return regions
