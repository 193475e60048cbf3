"""Robustness: scores of recordings that were laundered."""

from functools import cached_property

from spoofscope.errors import ConfigError
from spoofscope.layout import Scoring
from spoofscope.options.declared import chosen
from spoofscope.options.robustness import RobustnessOptions
from spoofscope.plan.jobs import Product, Work, rule, target
from spoofscope.plan.materials import Material, material
from spoofscope.plan.rescoring import Rescoring, check_heard
from spoofscope.plan.shards import of_all, of_shard
from spoofscope.study import Study

NO_ROBUSTNESS = "no recordings are laundered (section `robustness`)"


class Robustness(Rescoring):
    """The section `robustness`."""

    NAME = "robustness"

    @staticmethod
    def check(study: Study) -> None:
        """Which detectors hear what, and whether all recordings go through every chain."""
        check_heard(study, "robustness")
        for change, names in study.config.get("robustness", {}).get("changes", {}).items():
            for i, name in enumerate(names):
                where = f"robustness.changes.{change}[{i}]"
                for step in study.references.chain(name, where)["steps"]:
                    if step.get("probability", 1) < 1:
                        raise ConfigError(
                            f"{where}: chain {name!r} has a step of probability "
                            f"{step['probability']:g}, so some recordings would stay as they are; "
                            "name a chain that all of them go through"
                        )

    def _laundering(self, scoring: Scoring) -> Work:
        changes = self.section["changes"]
        return self.work_of_chains(
            scoring,
            {name for names in changes.values() for name in names},
            {"changes": changes, "options": chosen(self.section, RobustnessOptions)},
        )

    @rule(absent=NO_ROBUSTNESS, when=lambda self: self.heard)
    def score_laundered_shard(
        self, run: str, seed: int, corpus: str, split: str, shard: str
    ) -> Work:
        """Score one shard of the laundered recordings."""
        scoring = Scoring(run, seed, corpus, split)
        return of_shard(self, self._laundering(scoring), self.layout.laundered(scoring), shard)

    @rule(absent=NO_ROBUSTNESS, when=lambda self: self.heard)
    def score_laundered(self, run: str, seed: int, corpus: str, split: str) -> Work:
        """Score laundered recordings."""
        scoring = Scoring(run, seed, corpus, split)
        return of_all(
            self,
            self._laundering(scoring),
            self.layout.laundered(scoring),
            [split],
            lambda shard: self.score_laundered_shard(run, seed, corpus, split, shard),
        )

    def of(self, scoring: Scoring) -> Product:
        """The scores of laundered recordings."""
        run, seed, corpus, split = scoring
        job = self.score_laundered(run, int(seed), corpus, split)
        return job.product(self.layout.laundered(scoring))

    @cached_property
    def about(self) -> dict[str, str | list[str]]:
        """What captions say about the changes."""
        changes = [f"{name}: {', '.join(c)}" for name, c in self.section["changes"].items()]
        return {**self.about_trials, "Changes": changes}

    @material(absent=NO_ROBUSTNESS, when=lambda self: self.heard)
    def laundered_scores(self) -> Material:
        """The scores of laundered recordings."""
        return Material({"laundered": self.judged(self.of), **self.resampling}, self.about)

    @target(absent=NO_ROBUSTNESS)
    def robustness(self) -> list[Product]:
        """Scores of recordings that went through codecs, noise and the like."""
        return [self.of(scoring) for scoring in self.heard]
