"""The report, and the research object: everything that the study made."""

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
from spoofscope.plan.features import Features
from spoofscope.plan.figures import Figures
from spoofscope.plan.fingerprints import Fingerprints
from spoofscope.plan.jobs import Context, Product, Stage, Work, rule
from spoofscope.plan.materials import Material
from spoofscope.plan.scoring import Scores
from spoofscope.plan.tables import Tables
from spoofscope.plan.tracing import Tracing
from spoofscope.study import Config


class Report(Stage):
    """One page about the whole study, and the record of where all of it comes from."""

    def __init__(
        self,
        context: Context,
        corpora: Corpora,
        data: Augmentation,
        features: Features,
        scoring: Scores,
        comparisons: Comparisons,
        disagreements: Disagreements,
        attribution: Attribution,
        fingerprints: Fingerprints,
        tracing: Tracing,
        artefacts: Artefacts,
        tables: Tables,
        figures: Figures,
        everything: Callable[[], list[Product]],
    ) -> None:
        super().__init__(context)
        self._corpora = corpora
        self._data = data
        self._features = features
        self._scoring = scoring
        self._comparisons = comparisons
        self._disagreements = disagreements
        self._attribution = attribution
        self._fingerprints = fingerprints
        self._tracing = tracing
        self._artefacts = artefacts
        self._tables = tables
        self._figures = figures
        self._everything = everything

    def _chosen_on(self) -> dict[str, list[Config]]:
        """Name to the data that its threshold is chosen on, of every detector and fusion for which
        this study chooses one.
        """
        chosen = {}
        for name in self.study.config["detectors"]:
            if self.study.run_of(name).kind == "detector":
                chosen[name] = [{"split": "dev", **s} for s in self.study.dev_sources(name)]
        for name, entry in self.study.config["fusion"].items():
            chosen[name] = [dict(entry["fit"])]
        return chosen

    def _explained(self) -> list[Config]:
        """The tables about the explanations of every detector."""
        attribution = self._attribution
        maps = attribution.maps
        localisations = dict(zip(maps, attribution.localisations, strict=False))
        return [
            {
                "run": run,
                "detector": self.study.run(run).detector,
                "method": method,
                "first": method == attribution.methods(run)[0],
                "summary": attribution.of(run, seed, "summary.tsv", method),
                "checks": checks,
                "localisation": localisations.get((run, seed, method)),
            }
            for (run, seed, method), checks in zip(
                attribution.maps, attribution.checks, strict=True
            )
        ]

    def _traced(self) -> dict[str, Product]:
        """The tables about source tracing; none without tracers."""
        if self._tables.known("tracing") is None:
            return {}
        decisions = self._tables.known("tracing_decisions")
        return {
            "tracing": self._tables.of("tracing"),
            "pairs": self._tables.job("tracing").product(self.layout.table("tracing.pairs")),
            "attacks": self._tables.of("tracing_attacks"),
            "references": self._tables.of("tracing_references"),
            **({} if decisions is None else {"decisions": decisions}),
        }

    def _labelled(self) -> dict[str, Product]:
        """The tables of what people say; none without labels."""
        if self._tables.known("annotation") is None:
            return {}
        job = self._tables.job("annotation")
        parts = {part: f"annotation.{part}" for part in ("cues", "tests")}
        return {
            "measures": self._tables.of("annotation"),
            **{part: job.product(self.layout.table(name)) for part, name in parts.items()},
        }

    def _worst_cases(self) -> Product | None:
        """The worst case of every detector under laundering; None where nothing is laundered."""
        if self._tables.known("robustness") is None:
            return None
        return self._tables.job("robustness").product(self.layout.table("robustness.worst"))

    def _read(self) -> Material:
        """What the page is made of."""
        attribution, grids = self._attribution, self.study.grids
        averages = zip(attribution.averaged, attribution.averages("summary.tsv"), strict=True)
        rates = zip(self._artefacts.sets, self._artefacts.rates, strict=True)
        corpora = [*self.study.corpora, *self.study.copies]
        return Material(
            {
                "config": self.study.config,
                "systems": self._scoring.systems,
                "runs": self._comparisons.described_runs(),
                "tracers": [
                    {
                        **entry,
                        "trained_on": self.study.trained_on(entry["detector"]),
                        **self._tracing.decided(entry["run"]),
                    }
                    for entry in self._comparisons.described_tracers()
                ],
                "dev": self._chosen_on(),
                "cluster": self._scoring.bootstrap()["cluster"],
                "weights": {
                    self.study.runs[run].detector: self._scoring.weights(
                        run, self.study.runs[run].seeds[0]
                    )
                    for run in self.study.runs_of("detector", "pretrained")
                },
                "manifests": {corpus: self._data.manifest(corpus) for corpus in corpora},
                "audits": self._data.audit_tables,
                "tables": {
                    name: self._tables.known(name)
                    for name in (
                        *("headline", "operating_points", "published", "comparisons"),
                        *("breakdowns", "generator_matrix"),
                    )
                },
                "grids": [{"name": grid, "table": self._tables.of("grid", grid)} for grid in grids],
                "listed": self._tables.described,
                "figures": self._figures.described,
                "explained": self._explained(),
                "averages": [
                    {
                        "run": s.system,
                        "detector": self.study.run(s.system).detector,
                        "summary": path,
                    }
                    for s, path in averages
                ],
                "artefacts": [
                    {"trials": f"{corpus}.{split}", "rates": path}
                    for (corpus, split), path in rates
                ],
                "disagreements": self._disagreements.described,
                "fingerprints": {
                    "parts": self._fingerprints.read_parts,
                    "nearest": self._fingerprints.described_tests(),
                },
                "labelled": self._labelled(),
                "traced": self._traced(),
                "verified": self._tables.known("verification"),
                "masked": self._tables.known("masking"),
                "shortcuts": self._tables.known("shortcuts"),
                "robustness": self._worst_cases(),
                "cues": self._tables.known("cue_use"),
                "tracing_audits": self._tracing.audits,
                "measured": self._measured(),
            }
        )

    def _measured(self) -> Config:
        """Whose times and memory the page shows. No job waits for measurements."""
        tracers = [
            {"name": tracer.detector, "id": tracer.id, "seed": seed}
            for tracer in self.study.tracers.values()
            for seed in tracer.seeds
        ]
        return {
            "results": self.layout.root,
            "systems": [
                *({key: s[key] for key in ("name", "id", "seed")} for s in self._scoring.systems),
                *tracers,
            ],
            "features": self._features.ids,
        }

    @rule()
    def report(self) -> Work:
        """Write the page."""
        read = self._read()
        figures = [path for path in self._figures.figures.products if not path.endswith(".pdf")]
        shown = [*figures, *self._tables.tables.products]
        return Work(
            inputs={
                "read": read.products,
                # It leads to all of them.
                "linked": [path for path in shown if path not in set(read.products)],
            },
            settings={"given": read.given},
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
