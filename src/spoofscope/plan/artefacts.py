"""Signal measures, and how they relate to labels, scores and attribution."""

from functools import cached_property

from spoofscope.layout import Scoring
from spoofscope.plan.attribution import Attribution
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, Product, Stage, Work, rule, target
from spoofscope.plan.materials import Material, material
from spoofscope.plan.scoring import Scores, words_of
from spoofscope.plan.shards import of_all, of_shard
from spoofscope.study import Config, Study

NO_MEASURES = "no trials are measured (section `artefacts`)"
NO_ARTEFACTS = (
    "no trials are measured (section `artefacts`), or not for a system that figures show (key "
    "`figures.systems`)"
)


class Artefacts(Stage):
    """Measures of the signal of the trials in the section `artefacts`."""

    @staticmethod
    def check(study: Study) -> None:
        """Which trials are measured."""
        for i, entry in enumerate(study.config.get("artefacts", {}).get("trials", [])):
            study.references.check_scored(entry, f"artefacts.trials[{i}]")

    def __init__(
        self, context: Context, data: Augmentation, scoring: Scores, attribution: Attribution
    ) -> None:
        super().__init__(context)
        self._data = data
        self._scoring = scoring
        self._attribution = attribution

    @cached_property
    def sets(self) -> list[tuple[str, str]]:
        """The (corpus, split) that are measured."""
        trials = self.study.config.get("artefacts", {}).get("trials", [])
        return [(entry["corpus"], entry["split"]) for entry in trials]

    @cached_property
    def correlated(self) -> list[Scoring]:
        """All scores that are held against measures: of every detector those of its first seed."""
        return [
            Scoring(run.id, run.seeds[0], corpus, split)
            for run in self.study.runs.values()
            for corpus, split in self.sets
            if (corpus, split) in self.study.scored_by(run.id)
        ]

    def _measuring(self, corpus: str, split: str) -> Work:
        published = self.study.config["artefacts"]["published_measures"]
        return Work(
            inputs={"manifest": self._data.manifest(corpus)},
            settings={"split": split, "published_measures": published},
        )

    @rule()
    def measure_artefacts_shard(self, corpus: str, split: str, shard: str) -> Work:
        """Measure the signal of the utterances of one shard."""
        output = self.layout.measures(corpus, split)
        return of_shard(self, self._measuring(corpus, split), output, shard)

    @rule()
    def measure_artefacts(self, corpus: str, split: str) -> Work:
        """Measure the signal of every utterance."""
        return of_all(
            self,
            self._measuring(corpus, split),
            self.layout.measures(corpus, split),
            [split],
            lambda shard: self.measure_artefacts_shard(corpus, split, shard),
        )

    def _measures(self, corpus: str, split: str) -> Product:
        path = self.layout.measures(corpus, split)
        return self.measure_artefacts(corpus, split).product(path)

    @rule()
    def rate_artefacts(self, corpus: str, split: str) -> Work:
        """Judge each measure as if it were a detector."""
        return Work(
            inputs={
                "manifest": self._data.manifest(corpus),
                "measures": self._measures(corpus, split),
            },
            settings={
                "corpus": corpus,
                "split": split,
                "conditions": list(dict.fromkeys(["attack", *self._scoring.conditions])),
                **self._scoring.bootstrap(),
            },
        )

    def _attributions(self, scoring: Scoring) -> Product | list[Product]:
        """What was explained of the same trials, where it was."""
        options = self._attribution.options
        same = (options.get("corpus"), options.get("split")) == (scoring.corpus, scoring.split)
        if not same or scoring.owner not in self._attribution.explained:
            return []
        return self._attribution.of(scoring.system, int(scoring.seed), "safetensors")

    @rule()
    def correlate_artefacts(self, run: str, seed: int, corpus: str, split: str) -> Work:
        """Correlate measures with scores and attribution."""
        scoring = Scoring(run, seed, corpus, split)
        return Work(
            inputs={
                "attributions": self._attributions(scoring),
                "manifest": self._data.manifest(corpus),
                "measures": self._measures(corpus, split),
                "scores": self._scoring.of(scoring),
            },
            settings={
                "run": run,
                "run_seed": seed,
                "split": split,
                "conditions": self._scoring.conditions,
                "permutations": self.study.config["artefacts"]["permutations"],
                **self._scoring.bootstrap(),
            },
        )

    def _correlations(self, scoring: Scoring) -> Product:
        system, seed, corpus, split = scoring
        job = self.correlate_artefacts(system, int(seed), corpus, split)
        return job.product(self.layout.correlations(scoring))

    @cached_property
    def rates(self) -> list[Product]:
        """How well each measure alone separates the classes, of every measured set."""
        return [
            self.rate_artefacts(*pair).product(self.layout.artefact_rates(*pair))
            for pair in self.sets
        ]

    @material(absent=NO_MEASURES, when=lambda self: self.sets)
    def rated_measures(self) -> Material:
        """How well each measure alone separates the classes."""
        rated = [
            {"corpus": corpus, "split": split, "table": table}
            for (corpus, split), table in zip(self.sets, self.rates, strict=True)
        ]
        return Material(
            {"rated": rated},
            {"Trials": words_of(self.sets), "Resampled by": self._scoring.resampled_by},
        )

    @cached_property
    def _shown(self) -> list[Scoring]:
        shown = self.study.shown()
        return [scoring for scoring in self.correlated if scoring.owner in shown]

    @material(absent=NO_ARTEFACTS, when=lambda self: self._shown)
    def shown_correlations(self) -> Material:
        """The correlations of the systems that figures show."""
        correlated: list[Config] = [
            {
                "trials": s.trials,
                "table": self._correlations(s),
                "checks": self._attribution.checks_of(s.system, int(s.seed)),
            }
            for s in self._shown
        ]
        return Material(
            {"systems": self._scoring.shown_systems, "correlated": correlated},
            {"Trials": words_of((s.corpus, s.split) for s in self._shown)},
        )

    @target(absent=NO_ARTEFACTS)
    def artefacts(self) -> list[Product]:
        """Signal measures against labels, scores and attributions."""
        return [*self.rates, *map(self._correlations, self.correlated)]
