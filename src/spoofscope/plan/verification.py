"""Source verification: were clips made by the same source as a few references?"""

from spoofscope.errors import ConfigError
from spoofscope.layout import Scoring
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, Product, Stage, Work, rule, target
from spoofscope.plan.tracing import Tracing
from spoofscope.study import Config, Study

NO_VERIFICATION = "no sources are verified (section `verification`)"

CALIBRATED_ON, JUDGED_ON = "dev", "eval"


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
        return Work(
            inputs={"manifest": self._data.manifest(corpus)},
            settings={
                "split": split,
                "families": self._tracing.families([corpus]),
                "seed": self.study.seed,
                **{name: self.section[name] for name in drawn if name in self.section},
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
                "manifests": [self._data.manifest(each) for each in corpora],
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


def _splits(section: Config) -> list[str]:
    """The splits that tests and references are of."""
    enrolled = [section["enrol"]] if "enrol" in section else []
    return list(dict.fromkeys([CALIBRATED_ON, JUDGED_ON, *enrolled]))
