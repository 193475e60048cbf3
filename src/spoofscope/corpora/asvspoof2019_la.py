"""ASVspoof 2019, logical access.

Layout, protocol and counts: Wang et al., "ASVspoof 2019: A large-scale public database of
synthesized, converted and replayed speech", Computer Speech and Language 64, 2020.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from spoofscope.corpora.base import Corpus, protocol_attack, read_protocol

_PROTOCOLS = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}

COLUMNS = ("speaker", "utt_id", "-", "attack", "label")
COUNTS = {
    ("train", "bonafide"): 2580,
    ("train", "spoof"): 22800,
    ("dev", "bonafide"): 2548,
    ("dev", "spoof"): 22296,
    ("eval", "bonafide"): 7355,
    ("eval", "spoof"): 63882,
}
"""Table 2 of the paper."""


def protocol_rows(
    protocol: Path, split: str, folder: Path, suffix: str
) -> Iterator[dict[str, str]]:
    """The utterances of one countermeasure protocol, which corpora made from this one use as well.

    Args:
        protocol: lines with `COLUMNS`.
        split: which split it is of.
        folder: holds the audio, `<utt_id><suffix>`.
        suffix: of the audio files, such as ".flac".

    Raises:
        CorpusError: as `base.read_protocol` and `base.protocol_attack`.
    """
    for number, line in read_protocol(protocol, COLUMNS):
        yield {
            "utt_id": line["utt_id"],
            "path": str(folder / f"{line['utt_id']}{suffix}"),
            "split": split,
            "label": line["label"],
            "attack": protocol_attack(protocol, number, line["label"], line["attack"]),
            "speaker": line["speaker"],
        }


class ASVspoof2019LA(Corpus):
    """The folder `LA` of the official archive, or the one above it."""

    name: ClassVar[str] = "asvspoof2019_la"
    protocols: ClassVar[tuple[str, ...]] = (
        "ASVspoof2019_LA_cm_protocols/*",
        "LA/ASVspoof2019_LA_cm_protocols/*",
    )
    obtain: ClassVar[str] = "https://datashare.ed.ac.uk/handle/10283/3336 (LA.zip)"

    def rows(self) -> Iterable[Mapping[str, str]]:
        """The lines of the countermeasure protocols; their attacks are A01 to A19."""
        for split in self.splits:
            protocol = f"ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.{_PROTOCOLS[split]}.txt"
            path = self.need(protocol, f"LA/{protocol}")
            audio = f"ASVspoof2019_LA_{split}/flac"
            folder = self.need(audio, f"LA/{audio}")
            yield from protocol_rows(path, split, folder, ".flac")

    def published_counts(self) -> dict[tuple[str, str], int]:
        """Table 2 of the paper."""
        return COUNTS

    def published_levels(self) -> dict[tuple[str, str, str], int]:
        """Each attack of eval has as many spoofs."""
        return {("eval", "attack", f"A{number:02}"): 4914 for number in range(7, 20)}
