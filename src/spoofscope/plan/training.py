"""Detectors: trained here, or taken from elsewhere."""

from functools import cached_property
from pathlib import Path
from typing import Any

from spoofscope.errors import ConfigError
from spoofscope.options.backends.base import LogitOptions
from spoofscope.options.components import BACK_ENDS, KINDS
from spoofscope.options.declared import filled
from spoofscope.options.training import Recipe
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.features import Features
from spoofscope.plan.jobs import Context, Job, Product, Stage, Work, rule, target
from spoofscope.plan.modules import component_modules, effect_modules
from spoofscope.study import Config, Study

NO_FEATURES = "no front-end is both frozen and cached (keys `fine_tune` and `cache`)"


def _check_tuning(study: Study, where: str, frontend: str, recipe: Config) -> None:
    """A recipe trains a front-end only where there is something to train in it."""
    preset = (recipe.get("preset") or {}).get("values", {})
    parts = [recipe, *recipe.get("stages", []), preset, *preset.get("stages", [])]
    tuned = any(part.get("lr_frontend") is not None for part in parts)
    if tuned and study.is_frozen(frontend):
        raise ConfigError(
            f"{where}.train.recipe: it has a learning rate for the front-end "
            f"(lr_frontend), but frontends.{frontend} has nothing to train; set its key `fine_tune`"
        )


def _check_classes(study: Study, name: str) -> None:
    """A detector is trained, and selected, on bona fide speech as well, as far as that is known."""
    for key, sources in (("data", study.train_sources(name)), ("dev", study.dev_sources(name))):
        corpora = [
            study.copies[source["corpus"]]["corpus"]
            if source["corpus"] in study.copies
            else source["corpus"]
            for source in sources
        ]
        if all(_spoofs_alone(study.corpora[corpus]) for corpus in corpora):
            raise ConfigError(
                f"detectors.{name}.train.{key}: {' and '.join(dict.fromkeys(corpora))} "
                f"{'has' if len(set(corpora)) == 1 else 'have'} no bona fide speech, so nothing "
                "can learn there to tell it from spoofs; add a corpus that has some, or train a "
                "tracer (section `tracers`), which needs none"
            )


def _check_objective(study: Study, name: str) -> None:
    """A prototype stands behind a read-out vector, and has one output and a loss of its own."""
    entry = study.entry_of(name)
    if "objective" not in entry:
        return
    where, backend = f"detectors.{name}", entry["backend"]
    kind = entry["objective"]["type"]
    if not issubclass(BACK_ENDS[backend["type"]], LogitOptions):
        raise ConfigError(
            f"{where}.objective: {kind} needs a back-end that is trained by gradients, and "
            f"{backend['type']} is not"
        )
    if "n_outputs" in backend:
        raise ConfigError(f"{where}.backend.n_outputs: {kind} has one output; leave it out")
    if "loss" in entry["train"].get("recipe", {}):
        raise ConfigError(f"{where}.train.recipe.loss: it is that of `objective`; leave it out")


def _spoofs_alone(entry: Config) -> bool:
    options: Any = KINDS["corpus"].options(entry, "")
    return bool(options.spoofs_alone)


class Training(Stage):
    """One folder per detector and seed."""

    @staticmethod
    def check(study: Study) -> None:
        """How clips are aggregated, what there is to learn from, and what a recipe trains."""
        for run in study.runs.values():
            if run.kind != "detector":
                continue
            aggregate = run.settings.get("aggregate")
            if aggregate and (aggregate["method"] == "top_k") != ("k" in aggregate):
                raise ConfigError(
                    f"detectors.{run.detector}.aggregate: method top_k needs k, and the others "
                    "have none"
                )
            _check_classes(study, run.detector)
            _check_objective(study, run.detector)
            frontend = study.entry_of(run.detector)["frontend"]
            _check_tuning(study, f"detectors.{run.detector}", frontend, run.settings["recipe"])
        for run in study.tracers.values():
            frontend = study.entry_of(run.detector)["frontend"]
            _check_tuning(study, f"tracers.{run.detector}", frontend, run.settings["recipe"])

    def __init__(self, context: Context, data: Augmentation, features: Features) -> None:
        super().__init__(context)
        self._data = data
        self._features = features

    @cached_property
    def pretrained(self) -> list[str]:
        """Ids of the detectors that were trained elsewhere."""
        return self.study.runs_of("pretrained")

    # --- what a training reads -------------------------------------------------------------

    def sources(self, run: str, *kinds: str) -> list[tuple[str, str]]:
        """The (corpus, split) that a training reads, of a pretrained detector its reference.

        Args:
            kinds: `train` and `dev`, in the order in which they are wanted.
        """
        detector = self.study.run(run).detector
        sources = {"train": self.study.train_sources, "dev": self.study.dev_sources}
        return [(source["corpus"], kind) for kind in kinds for source in sources[kind](detector)]

    def kept_sources(self, run: str) -> list[tuple[str, str]]:
        """The (corpus, split) whose kept features a training reads."""
        if not self.study.is_cached(run):
            return []
        # A training that augments on the fly reads its training audio, but still its dev features.
        kinds = ("train", "dev") if self.study.trains_on_features(run) else ("dev",)
        return self.sources(run, *kinds)

    def kept_features(self, run: str) -> list[Product]:
        """The kept features that a training reads: values and index of every shard."""
        return [
            path
            for corpus, split in sorted(set(self.kept_sources(run)))
            for path in self._features.shards(self.study.features_id(run), corpus, split)
        ]

    def backbone(self, run: str) -> list[Product]:
        """The files that a detector's backbone is loaded from."""
        products = self._features.of_backbone(self.study.run(run).settings["frontend"])
        if run not in self.pretrained:
            return products
        # A detector that brings all weights needs no more of its backbone than the configuration.
        return [path for path in products if isinstance(path.maker, Job) or Path(path).exists()]

    def processes(self, run: str) -> int:
        """How many processes a training has."""
        recipe = self.study.run(run).settings["recipe"]
        values = {**(recipe.get("preset") or {}).get("values", {}), **recipe}
        return int(filled(values, Recipe)["processes"])

    # --- jobs ------------------------------------------------------------------------------

    @rule()
    def train(self, run: str, seed: int) -> Work:
        """Train one detector with one seed."""
        return self.work(run, seed, self.layout.detector(run, seed))

    def work(self, run: str, seed: int, folder: str) -> Work:
        """What the training of a detector, or of a tracer's network, reads and is given.

        Args:
            run, seed: which training.
            folder: where the network goes.
        """
        resolved = self.study.run(run)
        settings = resolved.settings
        sources = self.sources(run, "train", "dev")
        modules = component_modules(settings)
        noise: dict[str, str] = {}
        lists: list[Product] = []
        if "chain" in settings:
            modules += effect_modules(settings["chain"])
            noise = self._data.noise_folders(settings["chain"])
            lists = self._data.noise(settings["chain"])
        shards: dict[str, dict[str, Any]] = {}
        for corpus, split in self.kept_sources(run):
            values = self._features.values(self.study.features_id(run), corpus, split)
            shards.setdefault(split, {})[corpus] = values
        return Work(
            inputs={
                "backbone": self.backbone(run),
                "features": self.kept_features(run),
                "manifests": self._data.manifests_of(sources),
                "noise": lists,
            },
            settings={
                "run": run,
                "settings": settings,
                "train": self.study.train_sources(resolved.detector),
                "dev": self.study.dev_sources(resolved.detector),
                "manifests": {corpus: self.layout.manifest(corpus) for corpus, _ in sources},
                "features": shards,
                "noise": noise,
                "seed": seed,
                "folder": folder,
                "work": self.layout.work(run, seed),
            },
            modules=modules,
        )

    @rule()
    def copy_pretrained(self, pretrained: str) -> Work:
        """Take a detector folder from elsewhere into the study."""
        run = self.study.run(pretrained)
        folder = Path(self.study.config["detectors"][run.detector]["folder"])
        files = {
            "detector": Product(str(folder / "detector.json")),
            "model": Product(str(folder / "model.safetensors")),
        }
        return Work(
            inputs=files,
            settings={
                "run": pretrained,
                "sha256": run.settings["sha256"],
                "weights_sha256": run.settings["weights_sha256"],
                "files": self.outside.files([files["model"]]),
            },
            # Not all of it has to be there, see `backbone`, but what is there is a part of the
            # detector.
            after=self._features.of_backbone(run.settings["frontend"]),
        )

    def _folder(self, run: str, seed: int) -> Job:
        return self.copy_pretrained(run) if run in self.pretrained else self.train(run, seed)

    def described(self, run: str, seed: int) -> Product:
        """The description of a detector, which knows its threshold and calibration."""
        path = self.layout.detector_file(run, seed, "detector.json")
        return self._folder(run, seed).product(path)

    def weights(self, run: str, seed: int) -> Product:
        """The weights of a detector."""
        path = self.layout.detector_file(run, seed, "model.safetensors")
        return self._folder(run, seed).product(path)

    def folder(self, run: str, seed: int) -> list[Product]:
        """What a detector is loaded from."""
        return [self.described(run, seed), self.weights(run, seed)]

    @target()
    def detectors(self) -> list[Product]:
        """Every detector, trained with every seed."""
        return [self.weights(run, seed) for run, seed in self.study.detector_seeds()]

    @target(absent=NO_FEATURES)
    def features(self) -> list[Product]:
        """The output of frozen front-ends, for training and scoring."""
        models = [*self.study.runs, *self.study.tracers]
        cached = [run for run in models if self.study.is_cached(run)]
        trained = [path for run in cached for path in self.kept_features(run)]
        scored = {
            (self.study.features_id(run), *pair)
            for run in cached
            for pair in (
                self.study.traced_by(run)
                if run in self.study.tracers
                else self.study.scored_by(run)
            )
        }
        values = [
            self._features.shard(*entry, shard)[0]
            for entry in scored
            for shard in self.study.shard_names(entry[-1])
        ]
        return sorted({*trained, *values})
