"""The whole plan of one study: its stages, what can be asked for, and what makes it."""

import functools
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from spoofscope import exhibits
from spoofscope.errors import ConfigError
from spoofscope.plan.alignment import Alignment
from spoofscope.plan.annotation import Annotation
from spoofscope.plan.artefacts import Artefacts
from spoofscope.plan.attribution import Attribution
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.comparisons import Comparisons
from spoofscope.plan.corpora import Corpora
from spoofscope.plan.disagreements import Disagreements
from spoofscope.plan.features import Features
from spoofscope.plan.figures import Figures
from spoofscope.plan.fingerprints import Fingerprints
from spoofscope.plan.generators import Generators
from spoofscope.plan.grids import Grids
from spoofscope.plan.jobs import Context, Product, Rule, Stage, Target
from spoofscope.plan.layers import Layers
from spoofscope.plan.masking import Masking
from spoofscope.plan.materials import offers_of
from spoofscope.plan.report import Report
from spoofscope.plan.robustness import Robustness
from spoofscope.plan.scoring import Scores
from spoofscope.plan.shortcuts import Shortcuts
from spoofscope.plan.tables import Tables
from spoofscope.plan.tracing import Tracing
from spoofscope.plan.training import Training
from spoofscope.plan.verification import Verification
from spoofscope.study import MINI, Study
from spoofscope.study.reading import located, merged, read_config

STAGES: tuple[type[Stage], ...] = (
    Corpora,
    Augmentation,
    Alignment,
    Features,
    Training,
    Scores,
    Attribution,
    Annotation,
    Masking,
    Shortcuts,
    Robustness,
    Artefacts,
    Layers,
    Fingerprints,
    Tracing,
    Verification,
    Disagreements,
    Comparisons,
    Generators,
    Grids,
    Tables,
    Figures,
    Report,
)


def target_names() -> list[str]:
    """What can be asked for by name, whatever the study has."""
    drawn = [name for name in exhibits.figures() if name != "grid"]
    tables = [name for name in exhibits.tables() if name != "grid"]
    return [
        *("all", "report", "provenance"),
        *(name for stage in STAGES for name in stage.target_names()),
        *(f"figure_{name}" for name in drawn),
        *(f"table_{name}" for name in tables),
    ]


def check(study: Study) -> None:
    """Refuse a study that asks a stage for what it cannot make.

    Raises:
        ConfigError: the message names the place in the study file.
    """
    for stage in STAGES:
        stage.check(study)


def checked(config: Mapping[str, Any], absent_detectors: bool = False) -> Study:
    """A study whose every stage can make what is asked of it.

    Args:
        config: the content of a study file.
        absent_detectors: see :class:`Study`.

    Raises:
        ConfigError: as :class:`Study` and :func:`check`.
    """
    study = Study(config, absent_detectors=absent_detectors)
    check(study)
    return study


def load_study(*paths: str | Path, absent_detectors: bool = False) -> Study:
    """Read and check a study file (YAML).

    Args:
        paths: the file, and overlays of it in order, as Snakemake's `--configfile` takes them: a
            file that names no study overlays the mini study.
        absent_detectors: see :class:`Study`.

    Raises:
        ConfigError: as :func:`study.reading.read_config` and :func:`checked`; the message names
            file and line.
    """
    files = [Path(path) for path in paths]
    configs = [read_config(path) for path in files]
    if not any("study" in config for config in configs):
        if not MINI.is_file():
            raise ConfigError(
                f"{', '.join(map(str, files))}: the key 'study' is missing, so this overlays the "
                "mini study, which only the workflow's checkout has; name a whole study file"
            )
        files, configs = [MINI, *files], [read_config(MINI), *configs]
    try:
        return checked(functools.reduce(merged, configs), absent_detectors=absent_detectors)
    except ConfigError as error:
        raise located(error, files) from None


class Plan:
    """All stages of a study. A stage is given those that it stands on.

    stages: in the order of the work.

    Raises:
        ConfigError: as :func:`check`; no study is planned that was not checked.
    """

    def __init__(self, context: Context) -> None:
        check(context.study)
        self.study = context.study
        self.layout = context.study.layout
        self.outside = context.outside
        self.code = context.code
        self.corpora = Corpora(context)
        self.augmentation = data = Augmentation(context, self.corpora)
        self.features = features = Features(context, data)
        self.training = training = Training(context, data, features)
        self.scoring = scoring = Scores(context, data, features, training)
        self.alignment = Alignment(context, data, scoring)
        self.attribution = Attribution(context, data, features, training, scoring, self.alignment)
        self.annotation = Annotation(context, data, scoring, self.attribution, self.alignment)
        self.masking = Masking(context, data, training, scoring, self.attribution, self.alignment)
        self.shortcuts = Shortcuts(context, data, training, scoring)
        self.robustness = Robustness(context, data, training, scoring)
        self.artefacts = Artefacts(context, data, scoring, self.attribution)
        self.layers = Layers(context, data, features, training, scoring)
        self.fingerprints = Fingerprints(context, data, training)
        self.tracing = Tracing(context, data, features, training, scoring)
        self.verification = Verification(context, data, self.tracing)
        self.disagreements = Disagreements(context, data, scoring)
        self.comparisons = Comparisons(context, data, scoring)
        self.generators = Generators(context, data, scoring)
        self.grids = Grids(context, training, scoring)
        offers = offers_of(self._own_stages())
        self.tables = Tables(
            context,
            self.attribution,
            self.comparisons,
            self.generators,
            self.masking,
            self.shortcuts,
            self.robustness,
            offers,
        )
        self.figures = Figures(context, self.grids, self.tables, offers | offers_of([self.tables]))
        self.report = Report(
            context,
            self.corpora,
            data,
            features,
            scoring,
            self.comparisons,
            self.disagreements,
            self.attribution,
            self.fingerprints,
            self.tracing,
            self.artefacts,
            self.tables,
            self.figures,
            self.results,
        )
        self.stages = self._own_stages()

    def _own_stages(self) -> tuple[Stage, ...]:
        return tuple(stage for stage in vars(self).values() if isinstance(stage, Stage))

    @cached_property
    def rules(self) -> dict[str, Rule[...]]:
        """Name to rule, of all that make something."""
        return {name: made for stage in self.stages for name, made in stage.rules().items()}

    @cached_property
    def targets(self) -> dict[str, Target]:
        """Name to target, of all stages."""
        return {name: target for stage in self.stages for name, target in stage.targets().items()}

    @property
    def explained(self) -> dict[str, str]:
        """Name to what it makes, of all rules that are declared in loops."""
        figures = {f"figure_{name}": record.shows for name, record in self.figures.records.items()}
        tables = {f"table_{name}": record.shows for name, record in self.tables.records.items()}
        return {name: target.words for name, target in self.targets.items()} | figures | tables

    def results(self) -> list[Product]:
        """What the targets make. Kept features are no result: a study may do without them. Nor is
        what results are made of, outside of the study's folder.
        """
        made = (
            product
            for name, target in self.targets.items()
            if name not in ("features", "downloads", "backbones")
            for product in target.products
        )
        # Figures and tables of grids are of two targets.
        return list(dict.fromkeys(made))

    def everything(self) -> list[Product]:
        """All results, the report and the research object."""
        return [*self.results(), self.report.page, self.report.crate]

    def all_files(self, wildcards: object) -> list[str]:
        """Snakemake's inputs of the rule `all`."""
        return [str(product) for product in self.everything()]

    def everything_kept(self) -> list[Product]:
        """All that can be asked for by name, kept features included."""
        return [*self.everything(), *self.targets["features"].products]

    def lacking(self, name: str) -> str | None:
        """Why somebody is refused who asks for a target, or for a file of a rule; None where there
        is something to make.
        """
        planned = self.targets.get(name) or self.rules.get(name)
        return planned.lacking() if planned else None
