"""Counterfactual audit: scores of recordings whose suspected cues have changed sides."""

from functools import cached_property

from spoofscope.errors import ConfigError
from spoofscope.layout import Scoring
from spoofscope.options.declared import chosen
from spoofscope.options.shortcuts import Cue, ShortcutOptions
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, Product, Stage, Work, rule, target
from spoofscope.plan.materials import Material, material
from spoofscope.plan.modules import component_modules, effect_modules
from spoofscope.plan.scoring import Scores, words_of
from spoofscope.plan.shards import of_all, of_shard
from spoofscope.plan.training import Training
from spoofscope.study import Config, Study, kind_of

NO_SHORTCUTS = "no shortcuts are audited (section `shortcuts`)"

# Keys of a cue that name chains: a change, and the control that it needs where it is of length.
_CHANGES = {"put": "put_control", "strip": "strip_control"}


class Shortcuts(Stage):
    """The section `shortcuts`."""

    @staticmethod
    def check(study: Study) -> None:
        """Which detectors are audited, of which trials, and whether cues can be put on and off."""
        section = study.config.get("shortcuts", {})
        for i, name in enumerate(section.get("detectors", [])):
            entry = study.references.entry(name, "detectors", f"shortcuts.detectors[{i}]")
            if kind_of(entry) == "external_scores":
                raise ConfigError(
                    f"shortcuts.detectors[{i}]: of {name!r} there are only scores, so nothing can "
                    "hear a cue"
                )
            for j, trials in enumerate(section["trials"]):
                study.references.check_scored(trials, f"shortcuts.trials[{j}]", name)
            if "threshold" in section:
                study.references.check_scored(section["threshold"], "shortcuts.threshold", name)
        for name, cue in section.get("cues", {}).items():
            _check_cue(study, cue, f"shortcuts.cues.{name}")
        if section.get("threshold", {}).get("split") == "eval":
            raise ConfigError(
                "shortcuts.threshold.split: a threshold is not chosen on eval, where systems are "
                "judged"
            )

    def __init__(
        self, context: Context, data: Augmentation, training: Training, scoring: Scores
    ) -> None:
        super().__init__(context)
        self._data = data
        self._training = training
        self._scoring = scoring

    @property
    def section(self) -> Config:
        """The section, with all its defaults; empty where the study has none."""
        section: Config = self.study.config.get("shortcuts", {})
        return section

    @cached_property
    def audited(self) -> list[Scoring]:
        """Every detector, with its first seed, and the trials that it hears changed."""
        runs = [self.study.run_of(name) for name in self.section.get("detectors", [])]
        return [
            Scoring(run.id, run.seeds[0], entry["corpus"], entry["split"])
            for run in runs
            for entry in self.section["trials"]
        ]

    @cached_property
    def _chains(self) -> dict[str, Config]:
        """What cues and controls name, each with the identity of its noise."""
        keys = [key for pair in _CHANGES.items() for key in pair]
        names = {
            cue[key]
            for cue in self.section["cues"].values()
            for key in keys
            if cue.get(key) is not None
        }
        return {name: self.study.references.chain(name, "shortcuts.cues") for name in sorted(names)}

    def _audit(self, run: str, seed: int, corpus: str, split: str) -> Work:
        chains = self._chains
        noise: list[Product] = []
        folders: dict[str, str] = {}
        for chain in chains.values():
            noise += [product for product in self._data.noise(chain) if product not in noise]
            folders |= self._data.noise_folders(chain)
        modules = [module for chain in chains.values() for module in effect_modules(chain)]
        return Work(
            inputs={
                "backbone": self._training.backbone(run),
                "detector": self._training.folder(run, seed),
                "manifest": self._data.manifest(corpus),
                "noise": noise,
                "scores": self._scoring.of(Scoring(run, seed, corpus, split)),
            },
            settings={
                "run": run,
                "folder": self.layout.detector(run, seed),
                "split": split,
                "cues": self.section["cues"],
                "chains": chains,
                "noise": folders,
                "options": chosen(self.section, ShortcutOptions),
                "seed": self.study.seed,
            },
            modules=[*component_modules(self.study.run(run).settings), *dict.fromkeys(modules)],
        )

    @rule(absent=NO_SHORTCUTS, when=lambda self: self.audited)
    def score_cues_shard(self, run: str, seed: int, corpus: str, split: str, shard: str) -> Work:
        """Score one shard of the recordings whose cues have changed sides."""
        output = self.layout.audited(Scoring(run, seed, corpus, split))
        return of_shard(self, self._audit(run, seed, corpus, split), output, shard)

    @rule(absent=NO_SHORTCUTS, when=lambda self: self.audited)
    def score_cues(self, run: str, seed: int, corpus: str, split: str) -> Work:
        """Score recordings whose cues have changed sides."""
        return of_all(
            self,
            self._audit(run, seed, corpus, split),
            self.layout.audited(Scoring(run, seed, corpus, split)),
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
        return {
            "Trials": words_of((s.corpus, s.split) for s in self.audited),
            "Cues": list(self.section["cues"]),
            "Utterances per attack": str(self.section["per_attack"]),
            "Resampled by": self._scoring.resampled_by,
        }

    @material(absent=NO_SHORTCUTS, when=lambda self: self.audited)
    def audited_scores(self) -> Material:
        """The scores of recordings whose cues have changed sides."""
        audited = [
            {
                "name": self.study.run(scoring.system).detector,
                "seed": scoring.seed,
                "corpus": scoring.corpus,
                "split": scoring.split,
                "scores": self.of(scoring),
                "manifest": self._data.manifest(scoring.corpus),
                **self._scoring.fixed_threshold(scoring, self.section.get("threshold")),
            }
            for scoring in self.audited
        ]
        return Material(
            {
                "audited": audited,
                "cues": self.section["cues"],
                **self._scoring.bootstrap(),
                "resamples": self.section["resamples"],
            },
            self.about,
        )

    @target(absent=NO_SHORTCUTS)
    def shortcuts(self) -> list[Product]:
        """Scores of recordings whose suspected cues have changed sides."""
        return [self.of(scoring) for scoring in self.audited]


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
