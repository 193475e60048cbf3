"""SceneFake: the acoustic scene behind a real utterance is replaced by another one.

Layout: the released archive, `train`, `dev` and `eval`, each with `real/` and `fake/` (Yi et al.,
"SceneFake: An Initial Dataset and Benchmarks for Scene Fake Audio Detection", Pattern Recognition
152, 2024). The release does not say which enhancement system made which file.
"""

from typing import ClassVar

from spoofscope.corpora.real_and_fake import RealAndFake


class SceneFake(RealAndFake):
    """The folder that holds `train`, `dev` and `eval`, or the one above it."""

    name: ClassVar[str] = "scenefake"
    obtain: ClassVar[str] = "https://zenodo.org/record/7663324"
    inside: ClassVar[tuple[str, ...]] = ("SceneFake",)
