"""FoR, Fake or Real: recordings of several corpora, and synthesizers of 2019.

Layout: Reimao and Tzerpos, "FoR: A Dataset for Synthetic Speech Detection", SpeD 2019, as it is
released: `training`, `validation` and `testing`, each with `real/` and `fake/`, in four versions.
The files do not say who speaks, or which synthesizer. Counts of `for-norm` are those that users of
the release give.
"""

from collections.abc import Mapping
from typing import ClassVar

from spoofscope.corpora.real_and_fake import RealAndFake


class FakeOrReal(RealAndFake):
    """The folder of one version, which holds `training`, or the one above that of `for-norm`."""

    name: ClassVar[str] = "fake_or_real"
    obtain: ClassVar[str] = "https://bil.eecs.yorku.ca/datasets/"
    counted_by: ClassVar[str] = "users of the release"
    split_folders: ClassVar[Mapping[str, str]] = {
        "train": "training",
        "dev": "validation",
        "eval": "testing",
    }
    inside: ClassVar[tuple[str, ...]] = ("for-norm", "for-norm/for-norm")

    def published_counts(self) -> dict[tuple[str, str], int] | None:
        """Those of `for-norm`, which is known by the name of its folder."""
        here = (self.root / "training").is_dir()
        inside = not here and (self.root / "for-norm").is_dir()
        if not inside and self.root.resolve().name != "for-norm":
            return None
        return {
            ("train", "bonafide"): 26941,
            ("train", "spoof"): 26927,
            ("dev", "bonafide"): 5400,
            ("dev", "spoof"): 5398,
            ("eval", "bonafide"): 2264,
            ("eval", "spoof"): 2370,
        }
