"""What stages share in which detectors hear changed recordings of trials that they have scored."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import ClassVar

from spoofscope.errors import ConfigError
from spoofscope.layout import Scoring
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, Inputs, Product, Stage, Work
from spoofscope.plan.modules import component_modules, effect_modules
from spoofscope.plan.scoring import Scores, words_of
from spoofscope.plan.training import Training
from spoofscope.study import Config, Study, kind_of


class Rescoring(Stage):
    """A section with `detectors`, `trials`, `per_attack` and, perhaps, a `threshold`.

    NAME: of the section.
    """

    NAME: ClassVar[str]

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
        section: Config = self.study.config.get(self.NAME, {})
        return section

    @cached_property
    def heard(self) -> list[Scoring]:
        """Every detector, with its first seed, and the trials that it hears changed."""
        runs = [self.study.run_of(name) for name in self.section.get("detectors", [])]
        return [
            Scoring(run.id, run.seeds[0], entry["corpus"], entry["split"])
            for run in runs
            for entry in self.section["trials"]
        ]

    def work(
        self, scoring: Scoring, inputs: Inputs, settings: Config, modules: Iterable[str]
    ) -> Work:
        """Let a detector hear changed recordings.

        Args:
            scoring: the detector, and the trials.
            inputs, settings, modules: of the change.
        """
        run, seed, corpus, split = scoring
        return Work(
            inputs={
                "backbone": self._training.backbone(run),
                "detector": self._training.folder(run, int(seed)),
                "manifest": self._data.manifest(corpus),
                "scores": self._scoring.of(scoring),
                **inputs,
            },
            settings={
                "run": run,
                "folder": self.layout.detector(run, seed),
                "split": split,
                "seed": self.study.seed,
                **settings,
            },
            modules=[*component_modules(self.study.run(run).settings), *modules],
        )

    def work_of_chains(self, scoring: Scoring, names: Iterable[str], settings: Config) -> Work:
        """The same, where chains change recordings.

        Args:
            scoring: the detector, and the trials.
            names: of the chains.
            settings: besides the chains.
        """
        chains = {name: self.study.references.chain(name, self.NAME) for name in sorted(names)}
        noise = [product for chain in chains.values() for product in self._data.noise(chain)]
        folders = {
            kind: folder
            for chain in chains.values()
            for kind, folder in self._data.noise_folders(chain).items()
        }
        modules = [module for chain in chains.values() for module in effect_modules(chain)]
        return self.work(
            scoring,
            {"noise": list(dict.fromkeys(noise))},
            {"chains": chains, "noise": folders, **settings},
            dict.fromkeys(modules),
        )

    def judged(self, of: Callable[[Scoring], Product]) -> list[Config]:
        """For tables: whose scores of changed recordings these are, the file, the trials, and what
        knows the threshold.

        Args:
            of: gives the file.
        """
        return [
            {
                "name": self.study.run(scoring.system).detector,
                "seed": scoring.seed,
                "corpus": scoring.corpus,
                "split": scoring.split,
                "scores": of(scoring),
                "manifest": self._data.manifest(scoring.corpus),
                **self._scoring.fixed_threshold(scoring, self.section.get("threshold")),
            }
            for scoring in self.heard
        ]

    @property
    def resampling(self) -> Config:
        """How intervals are made, with as many resamples as the section says."""
        return {**self._scoring.bootstrap(), "resamples": self.section["resamples"]}

    @property
    def about_trials(self) -> dict[str, str | list[str]]:
        """What captions say about the trials."""
        return {
            "Trials": words_of((s.corpus, s.split) for s in self.heard),
            "Utterances per attack": str(self.section["per_attack"]),
            "Resampled by": self._scoring.resampled_by,
        }


def check_heard(study: Study, name: str) -> None:
    """Refuse detectors that cannot hear, trials that they have not scored, and a threshold of eval.

    Args:
        study: the study.
        name: of the section.

    Raises:
        ConfigError: the message names the place.
    """
    section = study.config.get(name, {})
    for i, detector in enumerate(section.get("detectors", [])):
        where = f"{name}.detectors[{i}]"
        if kind_of(study.references.entry(detector, "detectors", where)) == "external_scores":
            raise ConfigError(
                f"{where}: of {detector!r} there are only scores, so nothing can hear changed "
                "recordings"
            )
        for j, trials in enumerate(section["trials"]):
            study.references.check_scored(trials, f"{name}.trials[{j}]", detector)
        if "threshold" in section:
            study.references.check_scored(section["threshold"], f"{name}.threshold", detector)
    if section.get("threshold", {}).get("split") == "eval":
        raise ConfigError(
            f"{name}.threshold.split: a threshold is not chosen on eval, where systems are judged"
        )
