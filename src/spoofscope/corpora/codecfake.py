"""Codecfake: speech through neural codecs, and of audio language models that speak through them.

Xie et al., "The Codecfake Dataset and Countermeasures for the Universally Detection of Deepfake
Audio", arXiv:2405.04880, 2024. Layout: as the authors
tell users to arrange the unpacked archives, `train`, `dev` and `test/<set>`, and a list of each in
`label`, of lines `<file> <real or fake> <kind>`. Layout, lists and numbers of clips were read in
the authors' documentation and code, and not checked on a copy of the data.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from spoofscope.corpora.base import Corpus, label_of, read_protocol
from spoofscope.errors import CorpusError
from spoofscope.names import check_attack

_LABELS = {"real": "bonafide", "fake": "spoof"}
# Codecs that train has, C7 another one; speech of language models is in A1 to A3.
_CLIPS = {
    "train": {"train": 740_747},
    "dev": {"dev": 92_596},
    "eval": {
        **dict.fromkeys(("C1", "C2", "C3", "C4", "C5", "C6"), 26_456),
        **{"C7": 145_505, "A1": 8_902, "A2": 8_902, "A3": 99_112},
    },
}


class Codecfake(Corpus):
    """The folder that holds `label`, `train`, `dev` and `test`.

    Sets of the test that were not fetched may be missing. Utterance ids are `<set>-<file>`; the
    condition `set` says which it is. The attack of a fake is its kind in the list.
    """

    name: ClassVar[str] = "codecfake"
    protocols: ClassVar[tuple[str, ...]] = ("label/*.txt",)
    obtain: ClassVar[str] = "https://github.com/xieyuankun/Codecfake"
    conditions: ClassVar[tuple[str, ...]] = ("set",)

    def _sets(self) -> Iterator[tuple[str, str]]:
        """Split and name of every set that is there; those of train and dev have to be."""
        for split in self.splits:
            names = list(_CLIPS[split])
            if split == "eval":
                names = [name for name in names if (self.root / f"label/{name}.txt").is_file()]
                if not names:
                    raise CorpusError(
                        f"{self.root / 'label'}: no list of a test set, such as "
                        f"{next(iter(_CLIPS[split]))}.txt; corpora.{self.key}.path must name the "
                        f"folder that holds label, train, dev and test, and "
                        f"corpora.{self.key}.splits can leave splits out that were not downloaded"
                    )
            for name in names:
                yield split, name

    def rows(self) -> Iterable[Mapping[str, str]]:
        """The lines of the lists."""
        for split, name in self._sets():
            table = self.need(f"label/{name}.txt")
            audio = self.need(f"test/{name}" if split == "eval" else name)
            for number, line in read_protocol(table, ("file", "label", "kind")):
                where = f"{table}: line {number}"
                if "/" in line["file"]:
                    raise CorpusError(f"{where}: {line['file']!r} is no file of {audio}")
                label = label_of(table, number, line["label"], _LABELS)
                attack = "-" if label == "bonafide" else line["kind"]
                check_attack(attack, label, where)
                path = audio / line["file"]
                yield {
                    "utt_id": f"{name}-{path.stem}",
                    "path": str(path),
                    "split": split,
                    "label": label,
                    "attack": attack,
                    "set": name,
                }

    def published_levels(self) -> dict[tuple[str, str, str], int]:
        """Clips of every set that is there."""
        return {(split, "set", name): _CLIPS[split][name] for split, name in self._sets()}
