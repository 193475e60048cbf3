"""Scores of detectors and fusions, and their error rates."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from spoofscope.errors import ConfigError
from spoofscope.layout import Scoring
from spoofscope.options import check_resamples
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.features import Features
from spoofscope.plan.jobs import Context, Job, Product, Stage, Work, rule, target
from spoofscope.plan.materials import Material, material
from spoofscope.plan.modules import component_modules
from spoofscope.plan.training import Training
from spoofscope.study import Config, Study

MOST_JOBS = 200_000
"""So many jobs of scoring a study may have."""


def _check_size(study: Study) -> None:
    """No more jobs than can be planned; a large study has a few thousand."""
    jobs = sum(
        len(run.seeds) * sum(study.shards(split) for _, split in study.scored_by(run.id))
        for run in study.runs.values()
    )
    if jobs > MOST_JOBS:
        raise ConfigError(
            f"the study file: detectors, seeds, `score` and `scatter_shards` make {jobs:,} jobs of "
            f"scoring, more than the {MOST_JOBS:,} that can be planned"
        )


def _check_fusion(study: Study, name: str, fit: Config) -> None:
    where = f"fusion.{name}"
    if not study.references.sets_of(name):
        raise ConfigError(
            f"{where}.detectors: there are no trials that all of them score; see the keys `score`"
        )
    study.references.check_scored(fit, f"{where}.fit", name)
    if fit["split"] == "eval":
        raise ConfigError(f"{where}.fit.split: a fusion is not fitted on eval, where it is judged")


NO_TRAININGS = (
    "no detector of those that figures show is trained in this study (see `detectors.NAME.train` "
    "and `figures.systems`)"
)
NO_SHOWN = (
    "no system is scored on an eval split, or there are more than a figure can show (name some, "
    "key `figures.systems`)"
)


class Scores(Stage):
    """One score file and one table of error rates per system, seed, corpus and split."""

    @staticmethod
    def check(study: Study) -> None:
        """How much is scored, what fusions are fitted on, intervals, and tandem costs."""
        _check_size(study)
        for name, entry in study.references.fusions.items():
            _check_fusion(study, name, entry["fit"])
        check_resamples(study.config["bootstrap"]["resamples"], "bootstrap.resamples")
        for i, entry in enumerate(study.config["tdcf"]):
            study.references.check_scored(entry, f"tdcf[{i}]")
            if len({"scores", "rates"} & set(entry)) != 1:
                raise ConfigError(
                    f"tdcf[{i}]: either the file `scores` of the speaker verifier or its `rates` "
                    "have to be given"
                )

    def __init__(
        self, context: Context, data: Augmentation, features: Features, training: Training
    ) -> None:
        super().__init__(context)
        self._data = data
        self._features = features
        self._training = training

    @cached_property
    def external_scores(self) -> list[str]:
        """Ids of the detectors of which there are only scores."""
        return self.study.runs_of("external_scores")

    @cached_property
    def fusions(self) -> dict[str, str]:
        """Id to name of every fusion."""
        return {self.study.fusion_id(name): name for name in self.study.references.fusions}

    # --- of detectors ----------------------------------------------------------------------

    @rule()
    def score(self, run: str, seed: int, corpus: str, split: str, shard: str) -> Work:
        """Score one shard of a split."""
        settings = self.study.run(run).settings
        output = self.layout.score_shard(Scoring(run, seed, corpus, split), shard)
        features: list[Product] = []
        if self.study.is_cached(run):
            features = self._features.shard(self.study.features_id(run), corpus, split, shard)
        return Work(
            inputs={
                "detector": self._training.folder(run, seed),
                "backbone": self._training.backbone(run),
                "features": features,
                "manifest": self._data.manifest(corpus),
            },
            settings={
                "run": run,
                "folder": self.layout.detector(run, seed),
                "split": split,
                "shard": shard,
                "work": self.layout.journal(output),
            },
            modules=component_modules(settings),
        )

    @rule()
    def gather_scores(self, run: str, seed: int, corpus: str, split: str) -> Work:
        """Join the shards of a split."""
        scoring = Scoring(run, seed, corpus, split)
        return Work(
            inputs={
                "shards": [
                    self.score(run, seed, corpus, split, shard).product(
                        self.layout.score_shard(scoring, shard)
                    )
                    for shard in self.study.shard_names(split)
                ],
                "manifest": self._data.manifest(corpus),
            },
            settings={"split": split},
        )

    @rule()
    def import_scores(self, external_scores: str, corpus: str, split: str) -> Work:
        """Take a score file from elsewhere into the study."""
        entry = next(
            entry
            for entry in self.study.run(external_scores).settings["scores"]
            if (entry["corpus"], entry["split"]) == (corpus, split)
        )
        return Work(
            inputs={"manifest": self._data.manifest(corpus), "scores": Product(entry["path"])},
            settings={
                "run": external_scores,
                "entry": entry,
                "files": self.outside.files([entry["path"]]),
            },
        )

    # --- of fusions ------------------------------------------------------------------------

    def _members(self, fusion: str, corpus: str, split: str) -> list[Product]:
        members = self.study.fusion_members(self.fusions[fusion])
        return [self.of(Scoring(run, seed, corpus, split)) for run, seed in members]

    @rule()
    def fit_fusion(self, fusion: str) -> Work:
        """Fit the weights of a fusion."""
        name = self.fusions[fusion]
        fit = self.study.config["fusion"][name]["fit"]
        return Work(
            inputs={
                "manifest": self._data.manifest(fit["corpus"]),
                "scores": self._members(fusion, fit["corpus"], fit["split"]),
            },
            settings={"settings": self.study.fusion_settings(name)},
        )

    @rule()
    def apply_fusion(self, fusion: str, corpus: str, split: str) -> Work:
        """Fuse the scores of one split."""
        name = self.fusions[fusion]
        fitted = self.study.config["fusion"][name]["fit"]["corpus"]
        return Work(
            inputs={
                # Of what was fitted on, and of what is fused; one where these are the same corpus.
                "manifests": [self._data.manifest(c) for c in dict.fromkeys((fitted, corpus))],
                "model": self.fusion(fusion),
                "scores": self._members(fusion, corpus, split),
            },
            settings={"settings": self.study.fusion_settings(name), "split": split},
        )

    def fusion(self, fusion: str) -> Product:
        """The weights of a fusion, with its threshold."""
        return self.fit_fusion(fusion).product(self.layout.fusion(fusion))

    # --- of all systems --------------------------------------------------------------------

    def of(self, scoring: Scoring) -> Product:
        """A score file."""
        system, seed, corpus, split = scoring
        job: Job
        if system in self.fusions:
            job = self.apply_fusion(system, corpus, split)
        elif system in self.external_scores:
            job = self.import_scores(system, corpus, split)
        else:
            job = self.gather_scores(system, int(seed), corpus, split)
        return job.product(self.layout.scores(scoring))

    def threshold(self, system: str, seed: int | str) -> Product | None:
        """What knows a system's threshold, which was chosen on dev, and its calibration; None of
        scores of others.
        """
        if system in self.fusions:
            return self.fusion(system)
        if system in self.external_scores:
            return None
        return self._training.described(system, int(seed))

    def weights(self, run: str, seed: int) -> Product:
        """The weights of a detector."""
        return self._training.weights(run, seed)

    def fixed_threshold(self, scoring: Scoring, chosen_on: Config | None) -> dict[str, Any]:
        """What knows the threshold that a detector had before its recordings were changed.

        Args:
            scoring: the detector, and its trials.
            chosen_on: other trials, at whose equal error rate it decides; None takes the threshold
                that it keeps.
        """
        if chosen_on is None:
            return {"detector": self.threshold(*scoring.owner)}
        corpus, split = chosen_on["corpus"], chosen_on["split"]
        return {
            "dev_scores": self.of(scoring._replace(corpus=corpus, split=split)),
            "dev_manifest": self._data.manifest(corpus),
            "dev_split": split,
        }

    def bootstrap(self) -> dict[str, Any]:
        """How the intervals of every table are made; `cluster: null` is as `none`, and no key is
        the default, which is told from the trials.
        """
        bootstrap = self.study.config["bootstrap"]
        cluster = bootstrap["cluster"] or "none" if "cluster" in bootstrap else None
        return {
            "resamples": bootstrap["resamples"],
            "cluster": cluster,
            "bootstrap_seed": self.study.seed,
        }

    @cached_property
    def conditions(self) -> list[str]:
        """The columns by which error rates are broken down."""
        conditions: list[str] = self.study.config["conditions"]
        return conditions

    def tandem(self, corpus: str, split: str) -> Config | None:
        """The entry of `tdcf` for one scored set, None without one."""
        entries = self.study.config["tdcf"]
        return next((e for e in entries if (e["corpus"], e["split"]) == (corpus, split)), None)

    @rule()
    def compute_metrics(self, system: str, seed: int, corpus: str, split: str) -> Work:
        """Error rates of a score file."""
        tandem = self.tandem(corpus, split)
        # The score file of the speaker verifier, where there is one.
        asv = [path] if (path := (tandem or {}).get("scores")) else []
        return Work(
            inputs={
                "asv": Product(asv[0]) if asv else [],
                "detector": self.threshold(system, seed) or [],
                "manifest": self._data.manifest(corpus),
                "scores": self.of(Scoring(system, seed, corpus, split)),
            },
            settings={
                "system": system,
                "seed": seed,
                "corpus": corpus,
                "split": split,
                "conditions": self.conditions,
                **self.bootstrap(),
                "tandem": tandem,
                **({"files": self.outside.files(asv)} if asv else {}),
            },
        )

    def metrics_of(self, scorings: Iterable[Scoring]) -> list[Product]:
        """The error rates of score files."""
        return [
            self.compute_metrics(s.system, int(s.seed), s.corpus, s.split).product(
                self.layout.metrics(s)
            )
            for s in scorings
        ]

    @target()
    def scores(self) -> list[Product]:
        """The scores of every detector and fusion; higher = more bona fide."""
        return [self.of(scoring) for scoring in self.study.scorings()]

    @target()
    def metrics(self) -> list[Product]:
        """Error rates of every detector and fusion, pooled and per condition."""
        return self.metrics_of(self.study.scorings())

    # --- chosen systems --------------------------------------------------------------------

    @cached_property
    def eval_scorings(self) -> list[Scoring]:
        """All score files of eval splits."""
        return [scoring for scoring in self.study.scorings() if scoring.split == "eval"]

    @cached_property
    def eval_sets(self) -> list[tuple[str, str]]:
        """Every (corpus, split) of an eval split that some detector is scored on."""
        return [pair for pair in self.study.scored() if pair[1] == "eval"]

    def eval_sets_of(self, system: str) -> list[list[str]]:
        """The [corpus, split] of the eval splits that a system is scored on."""
        return [list(pair) for pair in self.study.scored_by(system) if pair[1] == "eval"]

    @cached_property
    def shown_scorings(self) -> list[Scoring]:
        """The eval scores of all systems that figures show."""
        shown = set(self.study.shown())
        return [scoring for scoring in self.eval_scorings if scoring.owner in shown]

    def chosen_scorings(self, section: str) -> list[Scoring]:
        """The eval scores of the systems that a section of the study file names."""
        return [
            Scoring(system, seed, corpus, split)
            for system, seed in self.study.chosen(section)
            for corpus, split in self.eval_sets_of(system)
        ]

    @cached_property
    def systems(self) -> list[Config]:
        """What figures and tables say about every system: id, seed, name, kind, training data, and
        the eval sets that it is scored on.
        """
        described = []
        for system, seed in self.study.systems():
            if system in self.fusions:
                name, kind = self.fusions[system], "fusion"
                trained_on = self.study.config["fusion"][name]["detectors"]
            else:
                run = self.study.run(system)
                name, kind = run.detector, run.kind
                trained_on = self.study.trained_on(name)
            described.append(
                {
                    "id": system,
                    "seed": seed,
                    "name": name,
                    "kind": kind,
                    "trained_on": trained_on,
                    "sets": self.eval_sets_of(system),
                }
            )
        return described

    def chosen_systems(self, section: str) -> list[Config]:
        """What `systems` has of those that a section names."""
        described = {(system["id"], system["seed"]): system for system in self.systems}
        return [described[chosen] for chosen in self.study.chosen(section)]

    # --- what figures and tables are made of -----------------------------------------------

    def scored(self, scorings: Iterable[Scoring], thresholds: bool = False) -> list[Config]:
        """Score files for drawings: whose they are (id, seed, name, kind), of which trials (corpus,
        split), the file (`scores`) and its trials (`manifest`); with `thresholds` also what knows
        the system's threshold and calibration (`detector`, null where that is not known).
        """
        described = {(system["id"], system["seed"]): system for system in self.systems}
        return [
            {
                **{key: described[scoring.owner][key] for key in ("id", "seed", "name", "kind")},
                "corpus": scoring.corpus,
                "split": scoring.split,
                "scores": self.of(scoring),
                "manifest": self._data.manifest(scoring.corpus),
                **({"detector": self.threshold(*scoring.owner)} if thresholds else {}),
            }
            for scoring in scorings
        ]

    @cached_property
    def shown_systems(self) -> list[Config]:
        """What `systems` has of those that figures show."""
        shown = set(self.study.shown())
        return [system for system in self.systems if (system["id"], system["seed"]) in shown]

    @cached_property
    def resampled_by(self) -> str:
        """What intervals are bootstrapped over, in words."""
        cluster = self.bootstrap()["cluster"]
        return "speaker where speakers are known" if cluster is None else str(cluster)

    @cached_property
    def _about_shown(self) -> dict[str, list[str]]:
        return {
            "Evaluation sets": words_of((s.corpus, s.split) for s in self.shown_scorings),
            "Systems": names_of(self.shown_systems),
        }

    @material(absent=NO_SHOWN, when=lambda self: self.shown_scorings)
    def shown_scores(self) -> Material:
        """The eval scores of the systems that figures show, and their error rates."""
        metrics = self.metrics_of(self.shown_scorings)
        return Material(
            {"scored": self.scored(self.shown_scorings), "metrics": metrics},
            {**self._about_shown, "Resampled by": self.resampled_by},
        )

    @material(absent=NO_SHOWN, when=lambda self: self.shown_scorings)
    def shown_decisions(self) -> Material:
        """The scores, and the thresholds of the systems."""
        scored = self.scored(self.shown_scorings, thresholds=True)
        return Material({"scored": scored}, self._about_shown)

    @material(absent=NO_SHOWN, when=lambda self: self.shown_scorings)
    def shown_decisions_and_rates(self) -> Material:
        """The scores, the thresholds and the error rates of the systems."""
        scored = self.scored(self.shown_scorings, thresholds=True)
        metrics = self.metrics_of(self.shown_scorings)
        return Material(
            {"scored": scored, "metrics": metrics},
            {**self._about_shown, "Resampled by": self.resampled_by},
        )

    @material(absent=NO_TRAININGS, when=lambda self: self._shown_trained)
    def shown_trainings(self) -> Material:
        """The losses and error rates over the epochs of the detectors that figures show."""
        trained = [
            {
                **{key: system[key] for key in ("id", "seed", "name", "kind")},
                "history": self._training.train(system["id"], system["seed"]).product(
                    self.layout.detector_file(system["id"], system["seed"], "history.tsv")
                ),
            }
            for system in self._shown_trained
        ]
        return Material({"trained": trained}, {"Systems": names_of(self._shown_trained)})

    @cached_property
    def _shown_trained(self) -> list[Config]:
        return [system for system in self.shown_systems if system["kind"] == "detector"]

    @material(absent=NO_SHOWN, when=lambda self: self.shown_scorings)
    def shown_metrics(self) -> Material:
        """The error rates of the systems that figures show."""
        trained = {s["name"]: s["trained_on"] for s in self.shown_systems}
        return Material(
            {"systems": self.shown_systems, "metrics": self.metrics_of(self.shown_scorings)},
            {
                **self._about_shown,
                "Trained on": [f"{name}: {', '.join(data)}" for name, data in trained.items()],
                **({"Conditions": self.conditions} if self.conditions else {}),
                "Resampled by": self.resampled_by,
            },
        )


def words_of(sets: Iterable[tuple[str, str]]) -> list[str]:
    """Each (corpus, split) once, for captions."""
    return list(dict.fromkeys(f"{corpus} ({split})" for corpus, split in sets))


def names_of(systems: Iterable[Config]) -> list[str]:
    """Each name once, for captions."""
    return list(dict.fromkeys(system["name"] for system in systems))
