"""All tables, the report, and the research object: everything that the study made."""

import json
from collections.abc import Callable
from functools import cached_property

import yaml

from spoofscope.plan.artefacts import Artefacts
from spoofscope.plan.attribution import Attribution
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.comparisons import Comparisons
from spoofscope.plan.corpora import Corpora
from spoofscope.plan.disagreements import Disagreements
from spoofscope.plan.figures import Figures
from spoofscope.plan.fingerprints import Fingerprints
from spoofscope.plan.generators import Generators
from spoofscope.plan.grids import Grids
from spoofscope.plan.jobs import Context, Product, Stage, Work, rule, rules_of, target
from spoofscope.plan.scoring import Scores
from spoofscope.study import Config


class Report(Stage):
    """One page about the whole study, and the record of where all of it comes from."""

    def __init__(
        self,
        context: Context,
        corpora: Corpora,
        data: Augmentation,
        scoring: Scores,
        comparisons: Comparisons,
        generators: Generators,
        disagreements: Disagreements,
        attribution: Attribution,
        fingerprints: Fingerprints,
        artefacts: Artefacts,
        grids: Grids,
        figures: Figures,
        everything: Callable[[], list[Product]],
    ) -> None:
        super().__init__(context)
        self._corpora = corpora
        self._data = data
        self._scoring = scoring
        self._comparisons = comparisons
        self._generators = generators
        self._disagreements = disagreements
        self._attribution = attribution
        self._fingerprints = fingerprints
        self._artefacts = artefacts
        self._grids = grids
        self._figures = figures
        self._everything = everything

    @target()
    def tables(self) -> list[Product]:
        """Every table that the study has."""
        rules = {**rules_of(self._comparisons), **rules_of(self._generators)}
        drawn = [
            made().product(self.layout.table(name.removeprefix("table_")))
            for name, made in rules.items()
            if name.startswith("table_") and made.lacking() is None
        ]
        return drawn + [self._grids.table(grid) for grid in self.study.grids]

    def _chosen_on(self) -> dict[str, list[Config]]:
        """Name to the data that its threshold is chosen on, of every detector and fusion for which
        this study chooses one.
        """
        chosen = {}
        for name in self.study.config["detectors"]:
            if self.study.run_of(name).kind == "detector":
                chosen[name] = [{"split": "dev", **s} for s in self.study.dev_sources(name)]
        for name, entry in self.study.config.get("fusion", {}).items():
            chosen[name] = [dict(entry["fit"])]
        return chosen

    @rule()
    def report(self) -> Work:
        """Write the page."""
        figures = self._figures.figures.products
        return Work(
            inputs={
                "artefacts": self._artefacts.rates,
                "averages": self._attribution.averages("summary.tsv"),
                "attributions": self._attribution.files("summary.tsv"),
                "audits": self._corpora.audits.products,
                "checks": self._attribution.checks,
                "disagreements": self._disagreements.disagreements.products,
                "figures": [path for path in figures if path.endswith((".png", ".tsv"))],
                "fingerprints": self._fingerprints.fingerprints.products,
                "localisation": self._attribution.localisations,
                "manifests": self._data.manifests.products,
                "metrics": self._scoring.metrics.products,
                "tables": self.tables.products,
            },
            settings={
                "config": self.study.config,
                "figures": self._figures.names,
                "grids": list(self.study.grids),
                "root": self.layout.root,
                "systems": self._scoring.systems,
                "runs": self._comparisons.described_runs(),
                "disagreements": self._disagreements.described(),
                "fingerprints": {
                    "parts": self._fingerprints.parts,
                    "nearest": self._fingerprints.described_tests(),
                },
                "dev": self._chosen_on(),
                "cluster": self._scoring.bootstrap()["cluster"],
            },
            templates=["report.html.j2"],
        )

    @rule()
    def provenance(self) -> Work:
        """Gather the sidecars of all results."""
        # As text, because the order of detectors counts; as a parameter, keys are sorted.
        written = json.loads(json.dumps(self.study.written))
        study = yaml.safe_dump(written, sort_keys=False, allow_unicode=True)
        return Work(
            inputs={"report": self.page, "results": self._everything()},
            settings={"root": self.layout.root, "study": study},
            templates=["provenance.html.j2"],
        )

    @cached_property
    def page(self) -> Product:
        """The page."""
        return self.report().product(self.layout.report())

    @cached_property
    def crate(self) -> Product:
        """The research object."""
        return self.provenance().product(self.layout.crate("ro-crate-metadata.json"))
