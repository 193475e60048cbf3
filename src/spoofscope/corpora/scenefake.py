"""SceneFake: the acoustic scene behind a real utterance is replaced by another one.

Layout: the released archive, `train`, `dev` and `eval`, each with `real/` and `fake/` (Yi et al.,
"SceneFake: An Initial Dataset and Benchmarks for Scene Fake Audio Detection", Pattern Recognition
152, 2024). The release does not say which enhancement system made which file. Lists of corpora give
19,838 real and 64,642 fake utterances; who counted the files of a copy of the release, found fewer.
"""

from typing import ClassVar

from spoofscope.corpora.real_and_fake import RealAndFake
from spoofscope.names import ALL


class SceneFake(RealAndFake):
    """The folder that holds `train`, `dev` and `eval`, or the one above it."""

    name: ClassVar[str] = "scenefake"
    obtain: ClassVar[str] = "https://zenodo.org/record/7663324"
    inside: ClassVar[tuple[str, ...]] = ("SceneFake",)
    counted_by: ClassVar[str] = "one third party"

    def published_levels(self) -> dict[tuple[str, str, str], int]:
        """Files of each class in all splits together, as one third party counted a copy."""
        if self.options.splits is not None:
            return {}
        return {(ALL, "label", "bonafide"): 11407, (ALL, "label", "spoof"): 47367}
