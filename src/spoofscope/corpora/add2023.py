"""ADD 2023: track 1.2 (detection of the fakes of other participants) and track 3 (their systems).

Layout of track 1.2: as distributed, `train`, `dev`, `testR1` and `testR2`, each with `wav/` and
`label.txt` of lines `<file> genuine|fake`. Counts of train and dev: Yi et al., "ADD 2023: the
Second Audio Deepfake Detection Challenge", 2023. Nothing is said of speakers and attacks.

Track 3: `train`, `dev` and `eval`, each with `wav/`, and lists with lines `<file> <number>`: 0 is
real speech, 1 to 6 are the systems of train and dev, 7 is any other. The layout was read in public
code that uses the data (Xie et al., "Generalized Source Tracing", Interspeech 2024), and not
checked on a copy of them. Counts of eval: the list of labels there.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from spoofscope.corpora.base import Corpus, label_of, read_protocol
from spoofscope.errors import CorpusError
from spoofscope.options.corpora.add2023 import ADD2023Options

_LABELS = {"genuine": "bonafide", "fake": "spoof"}
_SYSTEMS = {"0": "-", **{str(i): f"system{i}" for i in range(1, 7)}, "7": "unknown"}


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


class ADD2023Track3(Corpus):
    """The folder `Track3`, or the one above it.

    Attacks are called `system1` to `system6`; `unknown` are all that train and dev lack.
    """

    name: ClassVar[str] = "add2023_track3"
    protocols: ClassVar[tuple[str, ...]] = (
        *("*/label.txt", "label/*.txt", "Track3/*/label.txt", "Track3/label/*.txt"),
    )
    obtain: ClassVar[str] = (
        "https://zenodo.org/records/12179632 (train, dev), https://zenodo.org/records/12179884 "
        "(eval)"
    )

    def rows(self) -> Iterable[Mapping[str, str]]:
        """The lines of the label files."""
        for split in self.splits:
            labels = self.need(
                *(f"{split}/label.txt", f"label/{split}.txt"),
                *(f"Track3/{split}/label.txt", f"Track3/label/{split}.txt"),
            )
            folder = labels.parents[1] / split / "wav"
            for number, line in read_protocol(labels, ("file", "system")):
                if line["system"] not in _SYSTEMS:
                    raise CorpusError(
                        f"{labels}: line {number}: unknown system {line['system']!r}; it must be "
                        f"one of {', '.join(_SYSTEMS)}"
                    )
                attack = _SYSTEMS[line["system"]]
                yield {
                    "utt_id": Path(line["file"]).stem,
                    "path": str(folder / line["file"]),
                    "split": split,
                    "label": "bonafide" if attack == "-" else "spoof",
                    "attack": attack,
                }

    def published_counts(self) -> dict[tuple[str, str], int]:
        """Eval; of train and dev no counts by class are published."""
        return {("eval", "bonafide"): 9_512, ("eval", "spoof"): 69_978}
