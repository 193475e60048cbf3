"""Clips that people label, and what they say."""

from functools import cached_property

from spoofscope.errors import ConfigError
from spoofscope.options import nearest
from spoofscope.plan.attribution import Attribution
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, Product, Stage, Work, rule, target
from spoofscope.plan.scoring import Scores
from spoofscope.study import Config, Study

NO_ANNOTATION = "no clips are labelled (section `annotation`)"


class Annotation(Stage):
    """The section `annotation`."""

    @staticmethod
    def check(study: Study) -> None:
        """There are explanations to label."""
        if "annotation" not in study.config:
            return
        if "attribution" not in study.config:
            raise ConfigError(
                "annotation: people label explained clips, and nothing is explained; add the "
                "section `attribution`"
            )
        explained = study.config["attribution"]["detectors"]
        for i, name in enumerate(study.config["annotation"].get("detectors", [])):
            if name not in explained:
                raise ConfigError(
                    f"annotation.detectors[{i}]: {name!r} is not among attribution.detectors; "
                    f"{nearest(name, explained)}"
                )

    def __init__(
        self, context: Context, data: Augmentation, scoring: Scores, attribution: Attribution
    ) -> None:
        super().__init__(context)
        self._data = data
        self._scoring = scoring
        self._attribution = attribution

    @cached_property
    def section(self) -> Config | None:
        """The section with all its defaults; None where the study has none."""
        section: Config | None = self.study.config.get("annotation")
        return section

    @cached_property
    def _shown(self) -> list[tuple[str, str, int]]:
        """Name, run and seed of the detectors whose explanations are labelled."""
        assert self.section is not None
        names = self.section.get("detectors") or self._attribution.options["detectors"]
        return [
            (self.study.run(run).detector, run, seed)
            for run, seed in self._attribution.explained
            if self.study.run(run).detector in names
        ]

    @rule(absent=NO_ANNOTATION, when=lambda self: self.section is not None)
    def annotation_pack(self) -> Work:
        """Put explained clips into a folder for annotators."""
        assert self.section is not None
        options = self._attribution.options
        known = [self._scoring.threshold(run, seed) for _, run, seed in self._shown]
        return Work(
            inputs={
                "attributions": [
                    self._attribution.of(run, seed, "safetensors") for _, run, seed in self._shown
                ],
                "manifest": self._data.manifest(options["corpus"]),
                "thresholds": [product for product in known if product is not None],
            },
            settings={
                "about": {
                    "study": self.study.name,
                    "corpus": options["corpus"],
                    "split": options["split"],
                },
                "detectors": [list(shown) for shown in self._shown],
                "clips": self.section["clips"],
                "folder": self.layout.annotation(),
                "seed": self.study.seed,
            },
        )

    def packed(self, part: str) -> Product:
        """A file of the pack."""
        return self.annotation_pack().product(self.layout.annotation_file(part))

    @target(absent=NO_ANNOTATION)
    def annotation(self) -> list[Product]:
        """A folder of explained clips for `spoofscope label`."""
        if self.section is None:
            return []
        return [self.packed(part) for part in ("clips.tsv", "pack.json", "evidence.safetensors")]
