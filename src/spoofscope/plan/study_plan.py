"""The whole plan of one study: its stages, what can be asked for, and what makes it."""

from functools import cached_property

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
from spoofscope.plan.jobs import Context, Product, Rule, Stage, Target, rules_of, targets_of
from spoofscope.plan.layers import Layers
from spoofscope.plan.report import Report
from spoofscope.plan.scoring import Scores
from spoofscope.plan.training import Training


class Plan:
    """All stages of a study. A stage is given those that it stands on.

    stages: in the order of the work.
    """

    def __init__(self, context: Context) -> None:
        self.study = context.study
        self.layout = context.study.layout
        self.outside = context.outside
        self.code = context.code
        self.corpora = Corpora(context)
        self.augmentation = data = Augmentation(context, self.corpora)
        self.features = features = Features(context, data)
        self.training = training = Training(context, data, features)
        self.scoring = scoring = Scores(context, data, features, training)
        self.attribution = Attribution(context, data, features, training, scoring)
        self.artefacts = Artefacts(context, data, scoring, self.attribution)
        self.layers = Layers(context, data, features, training, scoring)
        self.fingerprints = Fingerprints(context, data, training)
        self.disagreements = Disagreements(context, data, scoring)
        self.comparisons = Comparisons(context, data, scoring)
        self.generators = Generators(context, data, scoring)
        self.grids = Grids(context, training, scoring)
        self.figures = Figures(
            context,
            data,
            scoring,
            self.comparisons,
            self.generators,
            self.disagreements,
            self.attribution,
            self.layers,
            self.fingerprints,
            self.artefacts,
            self.grids,
        )
        self.report = Report(
            context,
            self.corpora,
            data,
            scoring,
            self.comparisons,
            self.generators,
            self.disagreements,
            self.attribution,
            self.fingerprints,
            self.artefacts,
            self.grids,
            self.figures,
            self.results,
        )
        self.stages: tuple[Stage, ...] = tuple(
            stage for stage in vars(self).values() if isinstance(stage, Stage)
        )

    @cached_property
    def rules(self) -> dict[str, Rule[...]]:
        """Name to rule, of all that make something."""
        return {name: made for stage in self.stages for name, made in rules_of(stage).items()}

    @cached_property
    def targets(self) -> dict[str, Target]:
        """Name to target, of all stages."""
        return {name: found for stage in self.stages for name, found in targets_of(stage).items()}

    def results(self) -> list[Product]:
        """What the targets make. Kept features are no result: a study may do without them."""
        return [
            product
            for name, found in self.targets.items()
            if name != "features"
            for product in found.products
        ]

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
        found = self.targets.get(name) or self.rules.get(name)
        return found.lacking() if found else None
