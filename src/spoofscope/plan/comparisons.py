"""Tables about all systems, and exports of their scores."""

from collections import Counter
from functools import cached_property

from spoofscope.layout import Scoring
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, Product, Stage, Work, rule, target
from spoofscope.plan.materials import Material, material
from spoofscope.plan.scoring import Scores, names_of, words_of
from spoofscope.study import Config, Run, Study

NO_SCORES = "no system is scored (sections `detectors` and `score`)"
NO_PUBLISHED = "no published numbers are given (section `published`)"
NO_EVAL_SCORES = "no system is scored on an eval split"
NO_COMPARISONS = (
    "no systems are compared (section `comparisons`), or there are more than a figure can show "
    "(key `comparisons.systems`)"
)
NO_RELIABILITY = (
    "no probabilities are judged (section `reliability`), or there are more systems than a "
    "figure can show (key `reliability.systems`)"
)
NO_BREAKDOWNS = (
    "no conditions are given (section `conditions`), or no system is scored on an eval split"
)
NO_DECIDED = (
    "no two of the detectors that figures show are trained in this study, which gives them a "
    "threshold, and scored on the same eval split"
)
NO_FUSIONS = (
    "no fusion is judged on an eval split (section `fusion`), or there are no resamples (key "
    "`bootstrap.resamples`)"
)
NO_EXPORTS = "no scores are exported (section `exports`)"


class Comparisons(Stage):
    """Tables of runs, error rates, pairs and conditions; scores in a submission format."""

    @staticmethod
    def check(study: Study) -> None:
        """Which systems are compared or exported, and which trials."""
        for section in ("comparisons", "exports"):
            study.references.check_systems(section)
        for i, entry in enumerate(study.config["published"]):
            study.references.check_system(entry["system"], f"published[{i}].system")
            study.references.check_scored(entry, f"published[{i}]", entry["system"])
        for i, entry in enumerate(study.config.get("exports", {}).get("trials", [])):
            study.references.check_scored(entry, f"exports.trials[{i}]")

    def __init__(self, context: Context, data: Augmentation, scoring: Scores) -> None:
        super().__init__(context)
        self._data = data
        self._scoring = scoring

    @cached_property
    def compared(self) -> list[Product]:
        """The scores of all systems that are compared."""
        return [self._scoring.of(s) for s in self._scoring.chosen_scorings("comparisons")]

    def _source_of(self, run: Run) -> str:
        """Where a run comes from, for people."""
        entry = self.study.config["detectors"][run.detector]
        if run.kind == "pretrained":
            return f"pretrained, from {entry['folder']}"
        if run.kind == "external_scores":
            paths = dict.fromkeys(scores["path"] for scores in entry["scores"])
            return f"scores of {', '.join(paths)}"
        return "trained"

    def described_runs(self) -> list[Config]:
        """What tables and the report say about every run of a detector."""
        return [_described(run, self._source_of(run)) for run in self.study.runs.values()]

    def described_tracers(self) -> list[Config]:
        """The same of every tracer."""
        return [_described(run, "trained") for run in self.study.tracers.values()]

    @material()
    def run_settings(self) -> Material:
        """Every run with its settings, tracers last."""
        runs = [*self.described_runs(), *self.described_tracers()]
        return Material({"runs": runs}, {"Runs": [run["run"] for run in runs]} if runs else {})

    @material(absent=NO_SCORES, when=lambda self: self.study.scorings())
    def all_metrics(self) -> Material:
        """The error rates of all systems on all scored sets."""
        return Material(
            {"systems": self._scoring.systems, "metrics": self._scoring.metrics.products},
            {
                "Scored sets": words_of((s.corpus, s.split) for s in self.study.scorings()),
                "Systems": names_of(self._scoring.systems),
            },
        )

    @material(absent=NO_PUBLISHED, when=lambda self: self.study.config["published"])
    def metrics_beside_others(self) -> Material:
        """Published numbers, and the error rates of the systems that are like theirs."""
        numbers = self.study.config["published"]
        owners = [self.study.first_of(one["system"])[0] for one in numbers]
        sets = {
            (id_, one["corpus"], one["split"]) for id_, one in zip(owners, numbers, strict=True)
        }
        scorings = [
            scoring
            for scoring in self.study.scorings()
            if (scoring.system, scoring.corpus, scoring.split) in sets
        ]
        return Material(
            {
                "systems": [one for one in self._scoring.systems if one["id"] in owners],
                "metrics": self._scoring.metrics_of(scorings),
                "references": numbers,
            }
        )

    @material(absent=NO_EVAL_SCORES, when=lambda self: self._scoring.eval_scorings)
    def scores_of_eval_sets(self) -> Material:
        """The scores of all systems on eval sets."""
        return Material(
            {
                "scored": self._scoring.scored(self._scoring.eval_scorings),
                **self._scoring.bootstrap(),
            },
            self.about,
        )

    @material(
        absent=NO_BREAKDOWNS,
        when=lambda self: self._scoring.conditions and self._scoring.eval_scorings,
    )
    def metrics_by_condition(self) -> Material:
        """The error rates of all systems on eval sets."""
        return Material(
            {
                "systems": self._scoring.systems,
                "metrics": self._scoring.metrics_of(self._scoring.eval_scorings),
                "conditions": self._scoring.conditions,
            },
            {"Conditions": self._scoring.conditions},
        )

    @cached_property
    def decided(self) -> list[Scoring]:
        """Eval scores of every trained detector, with its first seed, where there are two."""
        shown = set(self.study.shown())
        scorings = [
            Scoring(run.id, run.seeds[0], corpus, split)
            for run in self.study.runs.values()
            if run.kind == "detector" and (run.id, run.seeds[0]) in shown
            for corpus, split in self._scoring.eval_sets_of(run.id)
        ]
        counts = Counter((s.corpus, s.split) for s in scorings)
        return [s for s in scorings if counts[s.corpus, s.split] > 1]

    @material(absent=NO_DECIDED, when=lambda self: self.decided)
    def decided_trials(self) -> Material:
        """The eval scores and thresholds of the detectors that figures show."""
        return Material(
            {
                "scored": self._scoring.scored(self.decided, thresholds=True),
                **self._scoring.bootstrap(),
            },
            {
                **self.about,
                "Evaluation sets": words_of((s.corpus, s.split) for s in self.decided),
                "Detectors": names_of(
                    {"name": self.study.run(s.system).detector} for s in self.decided
                ),
            },
        )

    def _members(self, fusion: str, corpus: str, split: str) -> dict[str, Product]:
        """The scores of the detectors of a fusion by their names."""
        return {
            self.study.run(run).detector: self._scoring.of(Scoring(run, seed, corpus, split))
            for run, seed in self.study.fusion_members(fusion)
        }

    @material(absent=NO_FUSIONS, when=lambda self: self.fusions)
    def fusion_parts(self) -> Material:
        """The scores of every fusion's detectors, where it is fitted and where it is judged."""
        return Material({"fusions": self.fusions, **self._scoring.bootstrap()}, self.about)

    @cached_property
    def fusions(self) -> list[Config]:
        """The fusions that can be tested on eval sets, with the scores of their detectors."""
        described: list[Config] = []
        if not self.study.config["bootstrap"]["resamples"]:
            return described
        for id_, name in self._scoring.fusions.items():
            entry = self.study.config["fusion"][name]
            corpus, split = entry["fit"]["corpus"], entry["fit"]["split"]
            sets = [
                {
                    "corpus": corpus,
                    "split": split,
                    "manifest": self._data.manifest(corpus),
                    "scores": self._members(name, corpus, split),
                }
                for corpus, split in self._scoring.eval_sets_of(id_)
            ]
            if sets:
                described.append(
                    {
                        "name": name,
                        "method": entry["method"],
                        "manifest": self._data.manifest(corpus),
                        "fit_split": split,
                        "scores": self._members(name, corpus, split),
                        "sets": sets,
                    }
                )
        return described

    @cached_property
    def about(self) -> dict[str, str]:
        """What captions say about comparisons."""
        return {"Resampled by": self._scoring.resampled_by}

    @material(absent=NO_COMPARISONS, when=lambda self: self.compared)
    def compared_scores(self) -> Material:
        """The scores of the systems that are compared in pairs."""
        scored = self._scoring.scored(self._scoring.chosen_scorings("comparisons"))
        resamples = self.study.config["comparisons"]["resamples"]
        return Material(
            {"scored": scored, **self._scoring.bootstrap(), "resamples": resamples}, self.about
        )

    @cached_property
    def _probabilities(self) -> list[Scoring]:
        return self._scoring.chosen_scorings("reliability")

    @material(absent=NO_RELIABILITY, when=lambda self: self._probabilities)
    def probabilities(self) -> Material:
        """The scores of the systems whose probabilities are looked at, with their calibration."""
        options = self.study.config["reliability"]
        bins, prior = options["bins"], options["prior"]
        return Material(
            {
                "scored": self._scoring.scored(self._probabilities, thresholds=True),
                "bins": bins,
                "prior": prior,
                **self._scoring.bootstrap(),
            },
            {"Bins": str(bins), "Prior of bona fide": str(prior)},
        )

    # --- exports ---------------------------------------------------------------------------

    @cached_property
    def exported(self) -> list[Scoring]:
        """Every score file that is exported; of those that came from others there is nothing to
        hand in.
        """
        trials = self.study.config.get("exports", {}).get("trials", [])
        sets = [(entry["corpus"], entry["split"]) for entry in trials]
        return [
            Scoring(system, seed, corpus, split)
            for system, seed in self.study.chosen("exports")
            for corpus, split in self.study.scored_by(system)
            if (corpus, split) in sets and system not in self._scoring.external_scores
        ]

    @rule(absent=NO_EXPORTS, when=lambda self: "exports" in self.study.config)
    def export_scores(self, system: str, seed: int, corpus: str, split: str) -> Work:
        """Write scores in a submission format."""
        calibrated = self.study.config["exports"]["calibrated"]
        return Work(
            inputs={
                "detector": (self._scoring.threshold(system, seed) or []) if calibrated else [],
                "scores": self._scoring.of(Scoring(system, seed, corpus, split)),
            },
            settings={"calibrated": calibrated},
        )

    @target(absent=NO_EXPORTS)
    def exports(self) -> list[Product]:
        """Scores in the submission format of ASVspoof 5."""
        return [
            self.export_scores(s.system, int(s.seed), s.corpus, s.split).product(
                self.layout.export(s)
            )
            for s in self.exported
        ]


def _described(run: Run, source: str) -> Config:
    return {
        "run": run.id,
        "detector": run.detector,
        "seeds": list(run.seeds),
        "source": source,
        "settings": run.settings,
    }
