"""Counterfactual audit: scores of recordings whose suspected cues have changed sides."""

from functools import cached_property

from spoofscope.errors import ConfigError
from spoofscope.layout import Scoring
from spoofscope.options.declared import chosen
from spoofscope.options.shortcuts import Cue, ShortcutOptions
from spoofscope.plan.jobs import Product, Work, rule, target
from spoofscope.plan.materials import Material, material
from spoofscope.plan.rescoring import Rescoring, check_heard
from spoofscope.plan.shards import of_all, of_shard
from spoofscope.study import Config, Study

NO_SHORTCUTS = "no shortcuts are audited (section `shortcuts`)"

# Keys of a cue that name chains: a change, and the control that it needs where it is of length.
_CHANGES = {"put": "put_control", "strip": "strip_control"}


class Shortcuts(Rescoring):
    """The section `shortcuts`."""

    NAME = "shortcuts"

    @staticmethod
    def check(study: Study) -> None:
        """Which detectors are audited, of which trials, and whether cues can be put on and off."""
        check_heard(study, "shortcuts")
        section = study.config.get("shortcuts", {})
        for name, cue in section.get("cues", {}).items():
            _check_cue(study, cue, f"shortcuts.cues.{name}")

    def _audit(self, scoring: Scoring) -> Work:
        cues = self.section["cues"]
        keys = [key for pair in _CHANGES.items() for key in pair]
        return self.work_of_chains(
            scoring,
            {cue[key] for cue in cues.values() for key in keys if cue.get(key) is not None},
            {"cues": cues, "options": chosen(self.section, ShortcutOptions)},
        )

    @rule(absent=NO_SHORTCUTS, when=lambda self: self.heard)
    def score_cues_shard(self, run: str, seed: int, corpus: str, split: str, shard: str) -> Work:
        """Score one shard of the recordings whose cues have changed sides."""
        scoring = Scoring(run, seed, corpus, split)
        return of_shard(self, self._audit(scoring), self.layout.audited(scoring), shard)

    @rule(absent=NO_SHORTCUTS, when=lambda self: self.heard)
    def score_cues(self, run: str, seed: int, corpus: str, split: str) -> Work:
        """Score recordings whose cues have changed sides."""
        scoring = Scoring(run, seed, corpus, split)
        return of_all(
            self,
            self._audit(scoring),
            self.layout.audited(scoring),
            [split],
            lambda shard: self.score_cues_shard(run, seed, corpus, split, shard),
        )

    def of(self, scoring: Scoring) -> Product:
        """The scores of recordings whose cues have changed sides."""
        run, seed, corpus, split = scoring
        job = self.score_cues(run, int(seed), corpus, split)
        return job.product(self.layout.audited(scoring))

    @cached_property
    def about(self) -> dict[str, str | list[str]]:
        """What captions say about the audit."""
        return {**self.about_trials, "Cues": list(self.section["cues"])}

    @material(absent=NO_SHORTCUTS, when=lambda self: self.heard)
    def audited_scores(self) -> Material:
        """The scores of recordings whose cues have changed sides."""
        return Material(
            {
                "audited": self.judged(self.of),
                "cues": self.section["cues"],
                **self.resampling,
            },
            self.about,
        )

    @target(absent=NO_SHORTCUTS)
    def shortcuts(self) -> list[Product]:
        """Scores of recordings whose suspected cues have changed sides."""
        return [self.of(scoring) for scoring in self.heard]


def _check_cue(study: Study, entry: Config, where: str) -> None:
    """Its chains are there, and a change of length has a control of its own."""
    Cue.from_dict(entry, where)
    for change, control in _CHANGES.items():
        for key in (change, control):
            if entry.get(key) is not None:
                study.references.chain(entry[key], f"{where}.{key}")
        name = entry.get(change)
        if name is None or entry.get(control) is not None:
            continue
        if any(step["effect"] == "length" for step in study.config["chains"][name]):
            raise ConfigError(
                f"{where}.{control}: the same change at the other end of a clip would carry the "
                f"length, too; name a chain that leaves it, such as one with the effect time_mask"
            )
