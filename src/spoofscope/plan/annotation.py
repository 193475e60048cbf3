"""Clips that people label, and what they say."""

from functools import cached_property

from spoofscope.errors import ConfigError
from spoofscope.options import nearest
from spoofscope.plan.alignment import Alignment
from spoofscope.plan.attribution import Attribution
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, OutsideFiles, Product, Stage, Work, rule, target
from spoofscope.plan.materials import Material, material
from spoofscope.plan.scoring import Scores
from spoofscope.study import Config, Study

NO_ANNOTATION = "no clips are labelled (section `annotation`)"
NO_LABELS = "no labels are given (section `annotation`, key `labels`)"


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
        self,
        context: Context,
        data: Augmentation,
        scoring: Scores,
        attribution: Attribution,
        alignment: Alignment,
    ) -> None:
        super().__init__(context)
        self._data = data
        self._scoring = scoring
        self._attribution = attribution
        self._alignment = alignment

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
                "summaries": [
                    self._attribution.of(run, seed, "summary.tsv") for _, run, seed in self._shown
                ],
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

    @cached_property
    def labels(self) -> list[Product]:
        """The tables that people's answers were exported to."""
        paths = [] if self.section is None else self.section["labels"]
        return [Product(path, OutsideFiles(self.outside, [path])) for path in paths]

    @material(absent=NO_LABELS, when=lambda self: self.labels)
    def annotated(self) -> Material:
        """What people say of the explained clips."""
        options = self._attribution.options
        corpus, split = options["corpus"], options["split"]
        clips, *files = self.annotation.products
        explained = [
            {"name": name, "attributions": self._attribution.of(run, seed, "safetensors")}
            for name, run, seed in self._shown
        ]
        return Material(
            {
                "pack": clips,
                "files": files,
                "labels": self.labels,
                "manifest": self._data.manifest(corpus),
                "alignment": self._alignment.drawn(corpus, split),
                "explained": explained,
                **self._scoring.bootstrap(),
            },
            {
                "Detectors": [name for name, _, _ in self._shown],
                "Clips of": f"{corpus} ({split})",
                "Resampled by": self._scoring.resampled_by,
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
