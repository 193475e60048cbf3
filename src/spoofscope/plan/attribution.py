"""Attribution by several methods: baseline, maps, localisation, and means over many windows."""

from functools import cached_property

from spoofscope.attribution_methods import (
    ATTRIBUTION_METHODS,
    NEED_ATTENTION,
    NEED_BANDS,
    OF_FEATURES,
    asked_checks,
)
from spoofscope.errors import ConfigError
from spoofscope.layout import Scoring
from spoofscope.options import nearest
from spoofscope.options.attribution import (
    BEYOND,
    LEAST_BEYOND,
    PATH_INTEGRAL,
    TRAINED,
    AverageOptions,
    ExplainOptions,
)
from spoofscope.options.corpora.mini import MiniOptions
from spoofscope.options.declared import chosen
from spoofscope.plan.alignment import Alignment
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.features import Features
from spoofscope.plan.jobs import Context, OutsideFiles, Product, Stage, Work, rule, target
from spoofscope.plan.materials import Material, material
from spoofscope.plan.modules import component_modules
from spoofscope.plan.scoring import Scores, words_of
from spoofscope.plan.shards import of_all, of_shard
from spoofscope.plan.training import Training
from spoofscope.study import Config, Study, kind_of

NO_ATTRIBUTION = "no detector is explained (section `attribution`)"
NO_SEGMENTS = (
    "no detector is explained on a corpus that says where its artefacts are (section "
    "`attribution`, and the key `segments` of its corpus)"
)
NO_AVERAGES = "no attributions are averaged (section `attribution`, key `averages`)"


# Types of front-ends whose features have a frequency axis.
_WITH_BANDS = ("fbank", "stft", "wavelet_packets")


def averages_of(study: Study) -> Config | None:
    """What is averaged: section `attribution.averages`, by default of the trials that are
    explained; None where nothing is.
    """
    attribution = study.config.get("attribution", {})
    if "averages" not in attribution:
        return None
    return {key: attribution[key] for key in ("corpus", "split")} | attribution["averages"]


def _check_explained(study: Study, name: str, where: str, baseline: str) -> None:
    """There is something to explain, and something to hold it against."""
    detector = study.references.entry(name, "detectors", where)
    if kind_of(detector) == "external_scores":
        raise ConfigError(f"{where}: of {name!r} there are only scores, nothing to explain")
    untrained = kind_of(detector) == "pretrained" and "reference" not in detector
    if baseline in TRAINED and untrained:
        raise ConfigError(
            f"{where}: the baseline {baseline!r} is made of bona fide training data, and the "
            f"study has trained none of {name!r}; name a corpus for it in "
            f"detectors.{name}.reference, or choose another baseline"
        )


def _check_averaged(study: Study, name: str, where: str) -> None:
    """All windows of a detector have the same size, with a frequency axis."""
    settings = study.run_of(name).settings
    frontend = settings["frontend"].get("type")
    # Of a detector that is not there yet nothing is known.
    if frontend is None:
        return
    if frontend not in _WITH_BANDS:
        raise ConfigError(
            f"{where}: the front-end of {name!r}, {frontend}, has no frequency axis; "
            f"{' and '.join(_WITH_BANDS)} have"
        )
    if settings["input"].get("length", 0) is None:
        raise ConfigError(
            f"{where}: {name!r} takes whole clips (`length: null`), which differ in length; there "
            "is no mean over them"
        )


def _check_methods(options: Config) -> None:
    """Every detector has a method, and every list of detectors a method."""
    for method, detectors in options["method_detectors"].items():
        where = f"attribution.method_detectors.{method}"
        if method not in options["methods"]:
            raise ConfigError(
                f"{where}: not among attribution.methods; {nearest(method, options['methods'])}"
            )
        for i, name in enumerate(detectors):
            if name not in options["detectors"]:
                raise ConfigError(
                    f"{where}[{i}]: {name!r} is not among attribution.detectors; "
                    f"{nearest(name, options['detectors'])}"
                )
    for name in options["detectors"]:
        if not _methods_of(options, name):
            raise ConfigError(
                f"attribution.detectors: no method explains {name!r}; add it to "
                "attribution.method_detectors, or name a method for all detectors"
            )


def _from_centroid(options: Config) -> bool:
    """Whether some map is relative to features of the training data."""
    return not {*TRAINED}.isdisjoint((options["baseline"], *options["other_baselines"]))


def _from_frames(config: Config) -> bool:
    """Whether frames of the training data stand in for others: in a map, or under a mask."""
    masks = config.get("masking", {}).get("masks", {}).values()
    kinds = [entry.get("replacement") for entry in masks]
    if "attribution" in config:
        options = config["attribution"]
        kinds += [options["baseline"], *options["other_baselines"]]
    return "bonafide" in kinds


def _explained_name(corpus: str, method: str) -> str:
    return corpus if method == PATH_INTEGRAL else f"{corpus}.{method}"


def _check_enough(study: Study, options: Config) -> None:
    """Rules that need many trials have them, where the study says how many are made."""
    corpus, split = options["corpus"], options["split"]
    entry = study.corpora.get(corpus)
    if entry is None or entry["type"] != "mini":
        return
    n = MiniOptions.from_dict(chosen(entry, MiniOptions)).options.n_bonafide(split)
    for i, rule_name in enumerate(options["select"]):
        if rule_name in BEYOND and n < LEAST_BEYOND:
            raise ConfigError(
                f"attribution.select[{i}]: {rule_name!r} needs {LEAST_BEYOND} utterances of each "
                f"class, and {corpus}, {split} has {n} bona fide ones"
            )


def _check_able(study: Study, name: str, options: Config) -> None:
    """A detector has what its methods look at."""
    frontend = study.run_of(name).settings["frontend"].get("type")
    for method in _methods_of(options, name):
        where = f"attribution.methods: {method}"
        others = f"list the detectors that it explains in attribution.method_detectors.{method}"
        if method in OF_FEATURES and options["wrt"] == "waveform":
            raise ConfigError(f"{where} explains features only, not samples (wrt: waveform)")
        # Of a detector that is not there yet nothing is known.
        if frontend is None:
            continue
        if method in NEED_BANDS and frontend not in _WITH_BANDS:
            raise ConfigError(
                f"{where}: the front-end of {name!r}, {frontend}, has no frequency axis; {others}"
            )
        if method in NEED_ATTENTION and frontend != "ssl":
            raise ConfigError(
                f"{where}: the front-end of {name!r}, {frontend}, has no attention; {others}"
            )


def _methods_of(options: Config, name: str) -> list[str]:
    """The methods by which a detector is explained."""
    of = options["method_detectors"]
    return [method for method in options["methods"] if name in of.get(method, [name])]


class Attribution(Stage):
    """What in a clip speaks for which class."""

    @staticmethod
    def check(study: Study) -> None:
        """Which detectors are explained, and which attributions averaged, on which trials."""
        options = study.config.get("attribution", {})
        for i, name in enumerate(options.get("detectors", [])):
            where = f"attribution.detectors[{i}]"
            for baseline in (options["baseline"], *options["other_baselines"]):
                _check_explained(study, name, where, baseline)
            study.references.check_scored(options, "attribution", name)
        if options:
            ExplainOptions.from_dict(chosen(options, ExplainOptions))
            _check_methods(options)
            _check_enough(study, options)
            for name in options["detectors"]:
                _check_able(study, name, options)
        averages = averages_of(study)
        if averages is None:
            return
        AverageOptions.from_dict(chosen(averages, AverageOptions))
        where = "attribution.averages"
        study.references.check_dataset(averages["corpus"], averages["split"], f"{where}.corpus")
        for i, name in enumerate(averages["detectors"]):
            place = f"{where}.detectors[{i}]"
            _check_explained(study, name, place, averages["baseline"])
            _check_averaged(study, name, place)

    def __init__(
        self,
        context: Context,
        data: Augmentation,
        features: Features,
        training: Training,
        scoring: Scores,
        alignment: Alignment,
    ) -> None:
        super().__init__(context)
        self._alignment = alignment
        self._data = data
        self._features = features
        self._training = training
        self._scoring = scoring

    @cached_property
    def options(self) -> Config:
        """The section `attribution`; empty where the study has none."""
        options: Config = self.study.config.get("attribution", {})
        return options

    @cached_property
    def explained(self) -> list[tuple[str, int]]:
        """(run, seed) of every detector that is explained, each with its first seed."""
        runs = [self.study.run_of(name) for name in self.options.get("detectors", [])]
        return [(run.id, run.seeds[0]) for run in runs]

    def methods(self, run: str) -> list[str]:
        """The methods by which a detector is explained; figures of maps show the first."""
        return _methods_of(self.options, self.study.run(run).detector)

    @cached_property
    def maps(self) -> list[tuple[str, int, str]]:
        """(run, seed, method) of everything that is explained, detector by detector."""
        return [(run, seed, method) for run, seed in self.explained for method in self.methods(run)]

    @cached_property
    def explanation_names(self) -> dict[str, tuple[str, str]]:
        """Corpus and method behind the names of files of explanations: `{corpus}` where the method
        is Integrated Gradients, `{corpus}.{method}` of others.
        """
        corpora = [*self.study.corpora, *self.study.copies]
        methods = self.options.get("methods", [])
        return {_explained_name(c, m): (c, m) for c in corpora for m in (PATH_INTEGRAL, *methods)}

    @cached_property
    def localised(self) -> bool:
        """Whether attributions can be held against known segments."""
        return bool(self.explained) and self.study.has_segments(self.options["corpus"])

    @cached_property
    def averaged(self) -> list[Scoring]:
        """The detectors whose attributions are averaged, each with its first seed, and of what."""
        averages = averages_of(self.study)
        if averages is None:
            return []
        runs = [self.study.run_of(name) for name in averages["detectors"]]
        trials = (averages["corpus"], averages["split"])
        return [Scoring(run.id, run.seeds[0], *trials) for run in runs]

    @rule()
    def centroid(self, run: str, seed: int) -> Work:
        """Average the features of bona fide training data."""
        resolved = self.study.run(run)
        sources = self._training.sources(run, "train")
        features: list[Product] = []
        if self.study.trains_on_features(run):
            features_id = self.study.features_id(run)
            for source in sources:
                features += self._features.shards(features_id, *source)
        return Work(
            inputs={
                "backbone": self._training.backbone(run),
                "detector": self._training.folder(run, seed),
                "features": features,
                "manifests": self._data.manifests_of(sources),
            },
            settings={
                "run": run,
                "folder": self.layout.detector(run, seed),
                "train": self.study.train_sources(resolved.detector),
                "shards": self.study.shard_names("train"),
                "frames": _from_frames(self.study.config),
                "seed": self.study.seed,
            },
            modules=component_modules(resolved.settings),
        )

    def _baseline(self, run: str, seed: int, baseline: str) -> Product | list[Product]:
        """The file of a baseline; only the centroid has one."""
        return self.centroid_of(run, seed) if baseline == "centroid" else []

    def centroid_of(self, run: str, seed: int) -> Product:
        """The mean bona fide features of the training data of a detector."""
        path = self.layout.attributions(run, seed, "centroid.safetensors")
        return self.centroid(run, seed).product(path)

    @cached_property
    def _listed(self) -> Product | list[Product]:
        """The file that lists utterances to explain; none where the study file lists them."""
        listed = self.options["utterances"]
        if not isinstance(listed, str):
            return []
        return Product(listed, OutsideFiles(self.outside, [listed]))

    def _explaining(self, run: str, seed: int, explained: str) -> Work:
        corpus, method = self.explanation_names[explained]
        split = self.options["split"]
        features: list[Product] = []
        if self.options["wrt"] == "features" and self.study.is_cached(run):
            features = self._features.shards(self.study.features_id(run), corpus, split)
        return Work(
            inputs={
                "backbone": self._training.backbone(run),
                "centroid": self.centroid_of(run, seed) if _from_centroid(self.options) else [],
                "detector": self._training.folder(run, seed),
                "features": features,
                "manifest": self._data.manifest(corpus),
                "scores": self._scoring.of(Scoring(run, seed, corpus, split)),
                "utterances": self._listed,
            },
            settings={
                "run": run,
                "folder": self.layout.detector(run, seed),
                "split": split,
                "method": method,
                "options": chosen(self.options, ExplainOptions),
                "seed": self.study.seed,
            },
            modules=[
                *component_modules(self.study.run(run).settings),
                ATTRIBUTION_METHODS.module_of(method),
            ],
        )

    @rule(absent=NO_ATTRIBUTION, when=lambda self: self.explained)
    def explain_shard(self, run: str, seed: int, explained: str, shard: str) -> Work:
        """Attribute the scores of one shard of the selected utterances by a method."""
        output = self.layout.attributions(run, seed, f"{explained}.safetensors")
        return of_shard(self, self._explaining(run, seed, explained), output, shard)

    @rule(absent=NO_ATTRIBUTION, when=lambda self: self.explained)
    def explain(self, run: str, seed: int, explained: str) -> Work:
        """Attribute scores to features by a method."""
        return of_all(
            self,
            self._explaining(run, seed, explained),
            self.layout.attributions(run, seed, f"{explained}.safetensors"),
            [self.options["split"]],
            lambda shard: self.explain_shard(run, seed, explained, shard),
        )

    def of(self, run: str, seed: int, part: str, method: str | None = None) -> Product:
        """What was explained of a detector: `safetensors`, `regions.tsv` or `summary.tsv`.

        Args:
            run, seed: of the detector.
            part: which file.
            method: one of its methods; by default the first.
        """
        name = _explained_name(self.options["corpus"], method or self.methods(run)[0])
        path = self.layout.attributions(run, seed, f"{name}.{part}")
        return self.explain(run, seed, name).product(path)

    def files(self, part: str) -> list[Product]:
        """What was explained of all detectors, by all of their methods."""
        return [self.of(run, seed, part, method) for run, seed, method in self.maps]

    @rule()
    def localise(self, run: str, seed: int, explained: str) -> Work:
        """Compare attributions with known segments."""
        corpus, _ = self.explanation_names[explained]
        path = self.layout.attributions(run, seed, f"{explained}.safetensors")
        return Work(
            inputs={
                "attributions": self.explain(run, seed, explained).product(path),
                "manifest": self._data.manifest(corpus),
                "segments": self._data.segments(corpus),
            },
            settings={"run": run, **self._scoring.bootstrap()},
        )

    @rule(absent=NO_ATTRIBUTION, when=lambda self: self.explained)
    def check_explanations(self, run: str, seed: int, explained: str) -> Work:
        """Average the checks of explanations over clips."""
        path = self.layout.attributions(run, seed, f"{explained}.summary.tsv")
        corpus, method = self.explanation_names[explained]
        asked = asked_checks(self.options["other_baselines"], self.options["noise_snr_db"], method)
        return Work(
            inputs={
                "manifest": self._data.manifest(corpus),
                "summary": self.explain(run, seed, explained).product(path),
            },
            settings={"run": run, "asked": asked, **self._scoring.bootstrap()},
        )

    @cached_property
    def checks(self) -> list[Product]:
        """How faithful the explanations of every detector are, by each of its methods."""
        products = []
        for run, seed, method in self.maps:
            name = _explained_name(self.options["corpus"], method)
            path = self.layout.attributions(run, seed, f"{name}.checks.tsv")
            products.append(self.check_explanations(run, seed, name).product(path))
        return products

    @cached_property
    def localisations(self) -> list[Product]:
        """How well attributions find known segments, by each method; none where none are known."""
        if not self.localised:
            return []
        return [self._localisation(run, seed, method) for run, seed, method in self.maps]

    def localisations_of(self, run: str, seed: int) -> list[dict[str, Product]]:
        """How well attributions of one detector find known segments, by each of its methods, and
        how faithful these are.
        """
        of_maps = zip(self.maps, self.localisations, self.checks, strict=True)
        return [
            {"table": table, "checks": checks}
            for (owner, number, _), table, checks in of_maps
            if (owner, number) == (run, seed)
        ]

    def _localisation(self, run: str, seed: int, method: str) -> Product:
        name = _explained_name(self.options["corpus"], method)
        path = self.layout.attributions(run, seed, f"{name}.localisation.tsv")
        return self.localise(run, seed, name).product(path)

    def _averaging(self, run: str, seed: int, corpus: str, split: str) -> Work:
        averages = self.options["averages"]
        return Work(
            inputs={
                "backbone": self._training.backbone(run),
                "centroid": self._baseline(run, seed, averages["baseline"]),
                "detector": self._training.folder(run, seed),
                "manifest": self._data.manifest(corpus),
            },
            settings={
                "run": run,
                "folder": self.layout.detector(run, seed),
                "options": chosen(averages, AverageOptions),
                "split": split,
                "seed": self.study.seed,
            },
            modules=component_modules(self.study.run(run).settings),
        )

    @rule(absent=NO_AVERAGES, when=lambda self: self.averaged)
    def average_attributions_shard(
        self, run: str, seed: int, corpus: str, split: str, shard: str
    ) -> Work:
        """Attribute the windows of one shard."""
        output = self.layout.attributions(run, seed, f"{corpus}.{split}.mean.safetensors")
        return of_shard(self, self._averaging(run, seed, corpus, split), output, shard)

    @rule(absent=NO_AVERAGES, when=lambda self: self.averaged)
    def average_attributions(self, run: str, seed: int, corpus: str, split: str) -> Work:
        """Average the attributions of many windows."""
        return of_all(
            self,
            self._averaging(run, seed, corpus, split),
            self.layout.attributions(run, seed, f"{corpus}.{split}.mean.safetensors"),
            [split],
            lambda shard: self.average_attributions_shard(run, seed, corpus, split, shard),
        )

    def averages(self, suffix: str) -> list[Product]:
        """The means of all detectors whose attributions are averaged."""
        return [
            self.average_attributions(s.system, int(s.seed), s.corpus, s.split).product(
                self.layout.attributions(s.system, s.seed, f"{s.trials}.mean.{suffix}")
            )
            for s in self.averaged
        ]

    @target(absent=NO_ATTRIBUTION)
    def attributions(self) -> list[Product]:
        """Attributions of scores to frames and features, and how well they find known artefacts."""
        if not self.explained:
            return []
        parts = ("safetensors", "regions.tsv", "summary.tsv")
        return [
            *(path for part in parts for path in self.files(part)),
            *self.checks,
            *self.localisations,
            *self.averages("safetensors"),
        ]

    # --- what figures are made of ----------------------------------------------------------

    @cached_property
    def about(self) -> dict[str, str | list[str]]:
        """What captions say of the explained detectors and clips."""
        return {
            "Detectors": [self.study.run(run).detector for run, _ in self.explained],
            "Clips of": f"{self.options['corpus']} ({self.options['split']})",
        }

    def checks_of(self, run: str, seed: int) -> Product | None:
        """How faithful the explanations of a detector are by its first method; None if it is not
        explained.
        """
        first: dict[tuple[str, int], Product] = {}
        for (owner, number, _), checks in zip(self.maps, self.checks, strict=True):
            first.setdefault((owner, number), checks)
        return first.get((run, seed))

    @material(absent=NO_ATTRIBUTION, when=lambda self: self.explained)
    def checked_explanations(self) -> Material:
        """How faithful the explanations of every detector are."""
        checked = [
            {
                "name": self.study.run(run).detector,
                "seed": seed,
                "corpus": self.options["corpus"],
                "split": self.options["split"],
                "method": method,
                "checks": checks,
            }
            for (run, seed, method), checks in zip(self.maps, self.checks, strict=True)
        ]
        return Material(
            {"checked": checked}, {**self.about, "Resampled by": self._scoring.resampled_by}
        )

    @material(absent=NO_ATTRIBUTION, when=lambda self: self.explained)
    def explanations(self) -> Material:
        """What was explained of each detector, of the same clips."""
        corpus = self.options["corpus"]
        return Material(
            {
                "explained": [
                    {
                        "run": run,
                        "seed": seed,
                        "detector": self.study.run(run).detector,
                        "attributions": self.of(run, seed, "safetensors"),
                        "checks": self.checks_of(run, seed),
                    }
                    for run, seed in self.explained
                ],
                "manifest": self._data.manifest(corpus),
                "segments": self._data.segments(corpus),
                "alignment": self._alignment.drawn(corpus, self.options["split"]),
            },
            {**self.about, "The path starts at the baseline": self.options["baseline"]},
        )

    @material(absent=NO_ATTRIBUTION, when=lambda self: self.explained)
    def grouped_explanations(self) -> Material:
        """What was explained of each detector, for means over classes, conditions and sounds."""
        corpus, split = self.options["corpus"], self.options["split"]
        explained = [
            {
                "name": self.study.run(run).detector,
                "seed": seed,
                "corpus": corpus,
                "split": split,
                "attributions": self.of(run, seed, "safetensors"),
                "summary": self.of(run, seed, "summary.tsv"),
                "checks": self.checks_of(run, seed),
            }
            for run, seed in self.explained
        ]
        return Material(
            {
                "explained": explained,
                "manifest": self._data.manifest(corpus),
                "alignment": self._alignment.drawn(corpus, split),
                "conditions": self._scoring.conditions,
                **self._scoring.bootstrap(),
            },
            {**self.about, "Resampled by": self._scoring.resampled_by},
        )

    @material(absent=NO_SEGMENTS, when=lambda self: self.localised)
    def found_segments(self) -> Material:
        """How well the attribution of each detector finds known segments."""
        localised = [
            {
                "run": run,
                "detector": self.study.run(run).detector,
                "table": table,
                "checks": checks,
            }
            for (run, seed, _), table, checks in zip(
                self.maps, self.localisations, self.checks, strict=True
            )
        ]
        return Material({"localised": localised}, self.about)

    @cached_property
    def checks_of_averaged(self) -> list[Product | None]:
        """How faithful the explanations of the detectors are whose attributions are averaged."""
        return [self.checks_of(s.system, int(s.seed)) for s in self.averaged]

    @material(absent=NO_AVERAGES, when=lambda self: self.averaged)
    def mean_attributions(self) -> Material:
        """The mean attribution of each detector over windows."""
        averages = self.options["averages"]
        of = {"bonafide": "bona fide"}.get(averages["target"], averages["target"])
        names = [self.study.run(s.system).detector for s in self.averaged]
        return Material(
            {
                "detectors": names,
                "maps": self.averages("safetensors"),
                "checks": self.checks_of_averaged,
            },
            {
                "Detectors": names,
                "Windows of": words_of((s.corpus, s.split) for s in self.averaged),
                "Explained": f"{averages['function']} of {of}",
                "The path starts at the baseline": averages["baseline"],
            },
        )
