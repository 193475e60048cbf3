"""Source verification: were clips made by the same source as a few references?"""

from functools import cached_property

from spoofscope.errors import ConfigError
from spoofscope.layout import Scoring
from spoofscope.literature import references_of
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, Product, Stage, Work, rule, target
from spoofscope.plan.materials import Material, material
from spoofscope.plan.scoring import names_of, words_of
from spoofscope.plan.tracing import NO_TRACERS, Tracing
from spoofscope.study import Config, Study

NO_VERIFICATION = "no sources are verified (section `verification`)"

NO_SHOWN = (
    "no sources are verified (section `verification`), or there are more tracers, corpora and "
    "levels than a figure can show (name some tracers, key `tracing.shown`)"
)

CALIBRATED_ON, JUDGED_ON = "dev", "eval"

MOST_PANELS = 12
"""So many panels, one for each tracer, corpus and level, a figure has; no more."""


class Verification(Stage):
    """The section `verification`."""

    @staticmethod
    def check(study: Study) -> None:
        """Which corpora are verified, and whether there is a tracer."""
        section = study.config.get("verification", {})
        if section and not study.config["tracers"]:
            raise ConfigError(
                "verification: key 'tracers' is missing; the vectors of a tracer are compared"
            )
        for i, corpus in enumerate(section.get("corpora", [])):
            for split in _splits(section):
                study.references.check_dataset(corpus, split, f"verification.corpora[{i}]")
            if "lists" in section and corpus not in study.corpora:
                raise ConfigError(
                    f"verification.corpora[{i}]: {corpus!r} is a copy, and `lists` are of the "
                    "corpus itself"
                )

    def __init__(self, context: Context, data: Augmentation, tracing: Tracing) -> None:
        super().__init__(context)
        self._data = data
        self._tracing = tracing

    @property
    def section(self) -> Config:
        """The section, with all its defaults; empty where the study has none."""
        section: Config = self.study.config.get("verification", {})
        return section

    @rule(absent=NO_VERIFICATION, when=lambda self: self.section)
    def list_source_trials(self, corpus: str, split: str) -> Work:
        """Draw references and tests of the sources in a split."""
        drawn = ("levels", "enrol", "references", "targets", "nontargets")
        lists: list[Product] = []
        outside: Config = {}
        if "lists" in self.section:
            from spoofscope.corpora.registry import build

            entry, root = self.study.corpora[corpus], self.study.corpus_root(corpus)
            files = build(entry, root, key=corpus).list_files(self.section["lists"])
            lists = [Product(str(path)) for path in files]
            outside = {
                "lists": {"name": self.section["lists"], "files": self.outside.files(lists)},
                "corpus": {"key": corpus, "entry": entry, "root": root},
            }
        return Work(
            inputs={"manifest": self._data.manifest(corpus), "lists": lists},
            settings={
                "split": split,
                "families": self._tracing.families([corpus]),
                "seed": self.study.seed,
                **{name: self.section[name] for name in drawn if name in self.section},
                **outside,
            },
        )

    def _trials(self, corpus: str, split: str) -> list[Product]:
        job = self.list_source_trials(corpus, split)
        paths = (self.layout.source_references, self.layout.source_tests)
        return [job.product(path(corpus, split)) for path in paths]

    @rule(absent=NO_VERIFICATION, when=lambda self: self.section)
    def verify_sources(self, tracer: str, seed: int, corpus: str) -> Work:
        """Score the trials of a corpus by a tracer's vectors, calibrated on those of dev."""
        corpora = list(dict.fromkeys([*self._tracing.trained_on(tracer), corpus]))
        splits = _splits(self.section)
        return Work(
            inputs={
                "dev": self._trials(corpus, CALIBRATED_ON),
                "eval": self._trials(corpus, JUDGED_ON),
                "outputs": [self._tracing.outputs(tracer, seed, corpus, each) for each in splits],
                "network": self._tracing.network(tracer, seed),
                "manifest": self._data.manifest(corpus),
                "others": [self._data.manifest(each) for each in corpora if each != corpus],
            },
            settings={
                "network": self.layout.tracer_network(tracer, seed),
                "families": self._tracing.families(corpora),
                "prior": self.section["prior"],
            },
        )

    @rule(absent=NO_VERIFICATION, when=lambda self: self.section)
    def verification_metrics(self, tracer: str, seed: int, corpus: str) -> Work:
        """Measure how well a tracer's vectors tell sources."""
        scoring = Scoring(tracer, seed, corpus, JUDGED_ON)
        job = self.verify_sources(tracer, seed, corpus)
        return Work(
            inputs={"scores": job.product(self.layout.verification(scoring, "scores.tsv"))},
            settings={
                "resamples": self.study.config["bootstrap"]["resamples"],
                "seed": self.study.seed,
            },
        )

    @target(absent=NO_VERIFICATION)
    def verification(self) -> list[Product]:
        """Whether clips and a few references have the same source, by every tracer."""
        return [
            job.product(self.layout.verification(Scoring(tracer, seed, corpus, JUDGED_ON), part))
            for corpus in self.section.get("corpora", [])
            for tracer, seed in self._tracing.seeds
            for job, part in (
                (self.verify_sources(tracer, seed, corpus), "calibration.json"),
                (self.verification_metrics(tracer, seed, corpus), "metrics.tsv"),
            )
        ]

    # --- what the table, the figure and the report are made of ---------------------------------

    @cached_property
    def _verified(self) -> list[Config]:
        """What every tracer and seed says of the trials of every corpus, and what that is worth."""
        verified = []
        for corpus in self.section.get("corpora", []):
            for tracer, seed in self._tracing.seeds:
                scoring = Scoring(tracer, seed, corpus, JUDGED_ON)
                parts = {
                    "scores": self.verify_sources(tracer, seed, corpus),
                    "metrics": self.verification_metrics(tracer, seed, corpus),
                }
                verified.append(
                    {
                        "id": tracer,
                        "name": self.study.run(tracer).detector,
                        "kind": "tracer",
                        "seed": seed,
                        "corpus": corpus,
                        "split": JUDGED_ON,
                        **{
                            part: job.product(self.layout.verification(scoring, f"{part}.tsv"))
                            for part, job in parts.items()
                        },
                    }
                )
        return verified

    @cached_property
    def _shown(self) -> list[Config]:
        """What a figure shows: the first seed of each tracer; none if these are too many."""
        shown = [entry for entry in self._verified if self._tracing.is_shown(entry)]
        panels = len(shown) * len(self.section.get("levels", []))
        return shown if panels <= MOST_PANELS else []

    def _about(self, entries: list[Config]) -> dict[str, str | list[str]]:
        lists = self.section.get("lists")
        return {
            "Tracers": names_of(entries),
            "References of a claim": str(self.section["references"])
            if lists is None
            else f"those of the lists {lists}",
            "Levels": [level.replace("_", " ") for level in self.section["levels"]],
        }

    @material(absent=NO_VERIFICATION, when=lambda self: self.section)
    def verified_metrics(self) -> Material:
        """How well all tracers verify sources."""
        return Material({"verified": self._verified}, self._about(self._verified))

    @material(absent=NO_TRACERS, when=lambda self: self._tracing.seeds)
    def traced_beside_others(self) -> Material:
        """How well all tracers do, and how well they verify sources, beside published numbers."""
        measured, decided = self._tracing.judged
        corpora = {entry["corpus"] for entry in [*measured, *self._verified]}
        return Material(
            {
                "traced": measured,
                "decided": decided,
                "verified": self._verified,
                "protocols": {each: self._tracing.protocol(each) for each in sorted(corpora)},
                # Facts are data, in no digest of code.
                "references": [one._asdict() for one in references_of("tracing")],
            },
            {
                "Tracers": names_of(measured),
                "Traced sets": words_of((each["corpus"], each["split"]) for each in measured),
            },
        )

    @material(absent=NO_SHOWN, when=lambda self: self._shown)
    def shown_verifications(self) -> Material:
        """Scores of the trials, and their metrics, where a figure has room for them."""
        return Material({"verified": self._shown}, self._about(self._shown))


def _splits(section: Config) -> list[str]:
    """The splits that tests and references are of."""
    enrolled = [section["enrol"]] if "enrol" in section else []
    return list(dict.fromkeys([CALIBRATED_ON, JUDGED_ON, *enrolled]))
