"""CtrSVDD: singing voices, recorded, synthesised and converted.

Layout: lists `train.txt`, `dev.txt` and `test.txt` of lines `<source> <singer> <file> - <attack>
<label>`, as the challenge's repository explains them, and audio in `train_set`, `dev_set` and
`test_set`. Counts: Zang et al., "CtrSVDD: A Benchmark Dataset and Baseline Analysis for Controlled
Singing Voice Deepfake Detection", Interspeech 2024.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from spoofscope.corpora.base import Corpus, label_of, protocol_attack, read_protocol

_COLUMNS = ("source", "speaker", "utt_id", "-", "attack", "label")
_NAMES = {"train": "train", "dev": "dev", "eval": "test"}
_LABELS = {"bonafide": "bonafide", "deepfake": "spoof"}


class CtrSVDD(Corpus):
    """The folder with the lists and the unpacked `train_set`, `dev_set` and `test_set`.

    The condition `source` is the data set that the singer is from. The archives lack bona fide
    clips of four sources whose licences forbid it; they are cut from those sources with the
    challenge's scripts. Without them, `on_bad_audio: exclude` goes on and lists them in the audit.
    """

    name: ClassVar[str] = "ctrsvdd"
    protocols: ClassVar[tuple[str, ...]] = ("train.txt", "dev.txt", "test.txt")
    obtain: ClassVar[str] = (
        "https://zenodo.org/doi/10.5281/zenodo.10467604 (train, dev), https://svddchallenge.org "
        "(test); some bona fide clips from their own sources"
    )

    conditions: ClassVar[tuple[str, ...]] = ("source",)

    def rows(self) -> Iterable[Mapping[str, str]]:
        """The lines of the lists; their attacks are A01 to A14."""
        for split in self.splits:
            listing = self.need(f"{_NAMES[split]}.txt")
            folder = self.need(f"{_NAMES[split]}_set")
            # The test set went round as WAV as well.
            suffix = ".flac" if next(folder.glob("*.flac"), None) else ".wav"
            for number, line in read_protocol(listing, _COLUMNS):
                label = label_of(listing, number, line["label"], _LABELS)
                yield {
                    "utt_id": line["utt_id"],
                    "path": str(folder / f"{line['utt_id']}{suffix}"),
                    "split": split,
                    "label": label,
                    "attack": protocol_attack(listing, number, label, line["attack"]),
                    "speaker": line["speaker"],
                    "source": line["source"],
                }

    def published_counts(self) -> dict[tuple[str, str], int]:
        """Table 2 of the paper."""
        return {
            ("train", "bonafide"): 12169,
            ("train", "spoof"): 72235,
            ("dev", "bonafide"): 6547,
            ("dev", "spoof"): 37078,
            ("eval", "bonafide"): 13596,
            ("eval", "spoof"): 79173,
        }
