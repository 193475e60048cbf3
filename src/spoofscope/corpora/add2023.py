"""ADD 2023, track 1.2 (fake audio detection against other participants' fakes, in two rounds).

Layout: as distributed, `train`, `dev`, `testR1` and `testR2`, each with `wav/` and `label.txt` of
lines `<file> genuine|fake`. Counts of train and dev: Yi et al., "ADD 2023: the Second Audio
Deepfake Detection Challenge", 2023. Nothing is said of speakers and attacks.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from spoofscope.corpora.base import Corpus, label_of, read_protocol
from spoofscope.options.corpora.add2023 import ADD2023Options

_LABELS = {"genuine": "bonafide", "fake": "spoof"}


class ADD2023(Corpus):
    """The folder `Track1.2`, or the one above it.

    To test on both rounds, name the corpus twice, the second time with `splits: [eval]`.
    """

    name: ClassVar[str] = "add2023"
    protocols: ClassVar[tuple[str, ...]] = ("*/label.txt", "Track1.2/*/label.txt")
    obtain: ClassVar[str] = "http://addchallenge.cn/downloadADD2023 (track 1.2)"
    declared = ADD2023Options
    options: ADD2023Options

    def rows(self) -> Iterable[Mapping[str, str]]:
        """The lines of the label files."""
        folders = {"train": "train", "dev": "dev", "eval": f"testR{self.options.round}"}
        for split in self.splits:
            labels = self.need(
                f"{folders[split]}/label.txt", f"Track1.2/{folders[split]}/label.txt"
            )
            for number, line in read_protocol(labels, ("file", "label")):
                label = label_of(labels, number, line["label"], _LABELS)
                yield {
                    "utt_id": Path(line["file"]).stem,
                    "path": str(labels.parent / "wav" / line["file"]),
                    "split": split,
                    "label": label,
                    "attack": "-" if label == "bonafide" else "unknown",
                }

    def published_counts(self) -> dict[tuple[str, str], int]:
        """Train and dev; of the test rounds only totals are published."""
        return {
            ("train", "bonafide"): 3012,
            ("train", "spoof"): 24072,
            ("dev", "bonafide"): 2307,
            ("dev", "spoof"): 26017,
        }
