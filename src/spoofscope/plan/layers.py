"""What is in the layers of SSL backbones, what detectors make of them, and what they cost."""

import copy
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from spoofscope.errors import ConfigError
from spoofscope.identity import hash8
from spoofscope.layout import Scoring
from spoofscope.options.declared import chosen
from spoofscope.options.frontends.ssl import EncoderOptions
from spoofscope.options.layers import CostOptions, ProbeOptions
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.features import Features
from spoofscope.plan.jobs import Context, Product, Stage, Work, rule, target
from spoofscope.plan.materials import Material, material
from spoofscope.plan.modules import component_modules
from spoofscope.plan.scoring import Scores
from spoofscope.plan.training import Training
from spoofscope.study import Config, Run, Study

NO_LAYERS = "no detector has an SSL front-end (`type: ssl`)"
NO_CURVES = (
    "no detectors differ only in the `n_layers` of their front-end, and none are listed "
    "(section `layers`, key `curves`)"
)
NO_PROBES = "no layers are probed (section `layers`, key `probes`)"
NO_COSTS = "no costs are measured (section `layers`, key `costs`)"


def family_name(detectors: Sequence[str]) -> str:
    """The words that the names of a family have in common, or the first name."""
    words = [name.split("_") for name in detectors]
    shared = [of_place[0] for of_place in zip(*words, strict=False) if len(set(of_place)) == 1]
    return "_".join(shared) or detectors[0]


def _check_ssl(kind: str | None, what: str) -> None:
    # Of a detector that is not there yet nothing is known.
    if kind not in ("ssl", None):
        raise ConfigError(f"{what} has no layers; an SSL front-end is needed (`type: ssl`)")


def _check_probe(study: Study, entry: Config, where: str) -> None:
    references = study.references
    frontend = references.entry(entry["frontend"], "frontends", f"{where}.frontend")
    _check_ssl(frontend["type"], f"{where}.frontend: {entry['frontend']!r}")
    for i, source in enumerate(entry["data"]):
        references.check_dataset(source["corpus"], "train", f"{where}.data[{i}].corpus")
    sources = references.dev_of(entry)
    if not sources:
        raise ConfigError(
            f"{where}: key 'dev' is missing; augmented copies alone give no data to choose the "
            "regularisation on, so name the corpora"
        )
    for i, source in enumerate(sources):
        references.check_dataset(source["corpus"], "dev", f"{where}.dev[{i}].corpus")
    references.check_scored_splits(entry.get("score", []), f"{where}.score")


class Layers(Stage):
    """Learned mixes, depth curves, probes and costs."""

    @staticmethod
    def check(study: Study) -> None:
        """Whose layers are looked at, and what probes are trained and tested on."""
        layers = study.config["layers"]
        listed = {
            **{f"layers.curves.{name}": names for name, names in layers.get("curves", {}).items()},
            "layers.costs.detectors": layers.get("costs", {}).get("detectors", []),
        }
        for where, names in listed.items():
            for i, name in enumerate(names):
                study.references.entry(name, "detectors", f"{where}[{i}]")
                run = study.run_of(name)
                kind = "" if run.kind == "external_scores" else run.settings["frontend"].get("type")
                _check_ssl(kind, f"{where}[{i}]: {name!r}")
        for name, entry in layers["probes"].items():
            _check_probe(study, entry, f"layers.probes.{name}")

    def __init__(
        self,
        context: Context,
        data: Augmentation,
        features: Features,
        training: Training,
        scoring: Scores,
    ) -> None:
        super().__init__(context)
        self._data = data
        self._features = features
        self._training = training
        self._scoring = scoring
        self._options: Config = self.study.config["layers"]
        self.probes: Config = self._options["probes"]

    # --- learned mixes ---------------------------------------------------------------------

    @cached_property
    def mixing(self) -> list[tuple[str, int]]:
        """(run, seed) of every detector that mixes SSL layers."""
        return [
            (run, seed)
            for run, seed in self.study.detector_seeds()
            if self.study.run(run).settings["frontend"]["type"] == "ssl"
        ]

    @rule()
    def layer_weights(self, run: str, seed: int) -> Work:
        """Read the learned mix out of a detector."""
        resolved = self.study.run(run)
        return Work(
            inputs={
                "backbone": self._training.backbone(run),
                "detector": self._training.folder(run, seed),
            },
            settings={
                "run": run,
                "detector": resolved.detector,
                "seed": seed,
                "folder": self.layout.detector(run, seed),
            },
            modules=component_modules(resolved.settings),
        )

    @cached_property
    def mixes(self) -> list[Product]:
        """The learned mix of every detector that has one."""
        return [
            self.layer_weights(run, seed).product(self.layout.layer_weights(run, seed))
            for run, seed in self.mixing
        ]

    # --- depth -----------------------------------------------------------------------------

    @cached_property
    def ssl_runs(self) -> list[Run]:
        """The runs with an SSL front-end."""
        return [self.study.run(run) for run in dict.fromkeys(run for run, _ in self.mixing)]

    def _reading(self) -> list[str]:
        """Which backbone, and how much of it, every SSL detector reads, for captions."""
        words = []
        for run in self.ssl_runs:
            frontend = run.settings["frontend"]
            backbone = frontend["backbone"]
            # A detector that brings all weights itself has no folder.
            place = Path(backbone.get("folder", backbone["family"])).name
            n_layers = frontend.get("n_layers")
            words.append(
                f"{run.detector}: {place}" + (f", {n_layers} layers of it" if n_layers else "")
            )
        return words

    @material(absent=NO_LAYERS, when=lambda self: self.mixing)
    def layer_mixes(self) -> Material:
        """The learned mix of every detector that has one."""
        mixing = {run for run, _ in self.mixing}
        systems = [system for system in self._scoring.systems if system["id"] in mixing]
        return Material(
            {"systems": systems, "layers": self.mixes},
            {"Detectors and their backbones": self._reading()},
        )

    def _found_curves(self) -> dict[str, list[Run]]:
        families: dict[str, list[Run]] = {}
        for run in self.ssl_runs:
            frontend = {k: v for k, v in run.settings["frontend"].items() if k != "n_layers"}
            families.setdefault(hash8({**run.settings, "frontend": frontend}), []).append(run)
        curves: dict[str, list[Run]] = {}
        for runs in families.values():
            if len(runs) > 1:
                detectors = [run.detector for run in runs]
                name = family_name(detectors)
                curves[name if name not in curves else detectors[0]] = runs
        return curves

    @cached_property
    def curves(self) -> dict[str, list[Run]]:
        """Name to the runs of every depth curve: those that the study lists, or else those that
        differ in nothing but their depth.
        """
        named = self._options.get("curves")
        if named is None:
            return self._found_curves()
        return {
            name: [self.study.run_of(d) for d in detectors] for name, detectors in named.items()
        }

    @staticmethod
    def _known_depth(run: Run) -> int | None:
        """How many layers a run keeps; None for all that a backbone has whose folder tells."""
        frontend = run.settings["frontend"]
        stored = frontend["backbone"].get("architecture", {})
        depth: int | None = frontend.get("n_layers") or stored.get("num_hidden_layers")
        return depth

    def _depth_config(self, run: Run) -> Product | None:
        """What tells how many layers a detector has that keeps all; None where it is known."""
        if self._known_depth(run) is not None:
            return None
        files = self._features.of_backbone(run.settings["frontend"], ("config.json",))
        return files[0] if files else None

    def _tested(self, runs: Iterable[Run]) -> list[Product]:
        """The error rates of all that runs are evaluated on."""
        return self._scoring.metrics_of(
            Scoring(run.id, seed, corpus, split)
            for run in runs
            for seed in run.seeds
            for corpus, split in self.study.scored_by(run.id)
            if split == "eval"
        )

    @cached_property
    def _depth_runs(self) -> list[Run]:
        return list({run.id: run for runs in self.curves.values() for run in runs}.values())

    @cached_property
    def _depth_metrics(self) -> list[Product]:
        return self._tested(self._depth_runs)

    @material(absent=NO_CURVES, when=lambda self: self._depth_metrics)
    def depth_curves(self) -> Material:
        """The error rates of detectors that keep more or fewer layers."""
        curves = {
            name: [
                {
                    "detector": run.detector,
                    "run": run.id,
                    "n_layers": self._known_depth(run),
                    "config": self._depth_config(run),
                }
                for run in runs
            ]
            for name, runs in self.curves.items()
        }
        return Material(
            {"curves": curves, "metrics": self._depth_metrics},
            {
                "Curves": [
                    f"{name}: {', '.join(run.detector for run in runs)}"
                    for name, runs in self.curves.items()
                ]
            },
        )

    # --- probes ----------------------------------------------------------------------------

    @cached_property
    def pools(self) -> dict[str, Config]:
        """Id to front-end and input of all pooled layers."""
        return {self._pool_of(entry): self._read_by(entry) for entry in self.probes.values()}

    @staticmethod
    def _untuned(frontend: Config) -> Config:
        dropped = {"cache", "precision", "states"}
        if frontend.get("fine_tune", EncoderOptions.fine_tune) != EncoderOptions.fine_tune:
            dropped |= {"fine_tune", "top_layers"}
        return {key: value for key, value in frontend.items() if key not in dropped}

    def _read_by(self, entry: Config) -> Config:
        """Front-end and input of a probe; a front-end that detectors tune is probed as it was
        before.
        """
        return {
            "frontend": self._untuned(self.study.frontend(entry["frontend"])),
            "input": copy.deepcopy(entry["input"]),
        }

    def _pool_of(self, entry: Config) -> str:
        """`{frontend}-{hash8}` of the pooled layers that a probe reads; equal to the id of cached
        features where detectors of the study read the same front-end frame by frame.
        """
        frontend = self._untuned(self.study.frontend_identity(entry["frontend"]))
        identity = {"frontend": frontend, "input": entry["input"]}
        return f"{entry['frontend']}-{hash8(identity)}"

    @cached_property
    def _kept_frames(self) -> dict[str, set[tuple[str, str]]]:
        """Pool to the (corpus, split) of which a detector's features are kept with its settings."""
        kept: dict[str, set[tuple[str, str]]] = {}
        for run in self.study.runs:
            if self.study.is_cached(run):
                pairs = kept.setdefault(self.study.features_id(run), set())
                pairs.update(self._training.kept_sources(run))
                pairs.update(self.study.scored_by(run))
        return kept

    @rule()
    def pool_layers(self, pool: str, corpus: str, split: str, shard: str) -> Work:
        """Pool every layer over time, for one shard of a split."""
        settings = self.pools[pool]
        kept = (corpus, split) in self._kept_frames.get(pool, ())
        return Work(
            inputs={
                "backbone": self._features.of_backbone(settings["frontend"]),
                "features": self._features.shard(pool, corpus, split, shard) if kept else [],
                "manifest": self._data.manifest(corpus),
            },
            settings={"settings": settings, "shard": shard, "split": split},
            modules=component_modules(settings),
        )

    def _probe_sets(self, probe: str) -> dict[str, list[Config]]:
        """By purpose, the corpora and splits of a probe, with the attacks it is limited to."""
        entry = self.probes[probe]
        tests = [
            {"corpus": trials["corpus"], "split": split}
            for trials in entry.get("score", [])
            for split in trials["splits"]
        ] or [{"corpus": corpus, "split": split} for corpus, split in self._scoring.eval_sets]
        return {
            "train": [{**source, "split": "train"} for source in entry["data"]],
            "dev": [{**source, "split": "dev"} for source in self.study.references.dev_of(entry)],
            "test": tests,
        }

    def _pooled(self, pool: str, corpus: str, split: str, suffix: str) -> list[Product]:
        return [
            self.pool_layers(pool, corpus, split, shard).product(
                self.layout.pooled_layers(pool, corpus, split, shard, suffix)
            )
            for shard in self.study.shard_names(split)
        ]

    @rule()
    def probe_layers(self, probe: str) -> Work:
        """Fit and test one linear probe per layer."""
        entry, sets = self.probes[probe], self._probe_sets(probe)
        pool = self._pool_of(entry)
        pairs = sorted({(e["corpus"], e["split"]) for entries in sets.values() for e in entries})
        return Work(
            inputs={
                "manifests": self._data.manifests_of(pairs),
                "pooled": [
                    path
                    for suffix in ("safetensors", "tsv")
                    for pair in pairs
                    for path in self._pooled(pool, *pair, suffix)
                ],
            },
            settings={
                "probe": probe,
                "sets": {
                    purpose: [
                        {
                            **each,
                            "manifest": self.layout.manifest(each["corpus"]),
                            "pooled": self._pooled(
                                pool, each["corpus"], each["split"], "safetensors"
                            ),
                        }
                        for each in entries
                    ]
                    for purpose, entries in sets.items()
                },
                "options": chosen(entry, ProbeOptions),
                "conditions": self._scoring.conditions,
                **self._scoring.bootstrap(),
            },
        )

    @cached_property
    def probe_tables(self) -> list[Product]:
        """The error rates of every probe."""
        return [self.probe_layers(probe).product(self.layout.probe(probe)) for probe in self.probes]

    @material(absent=NO_PROBES, when=lambda self: self.probes)
    def probed_layers(self) -> Material:
        """The error rates of every probe."""
        probes = [
            f"{name} of the front-end {entry['frontend']}, trained on "
            + ", ".join(source["corpus"] for source in entry["data"])
            for name, entry in self.probes.items()
        ]
        conditions = self._scoring.conditions
        return Material(
            {"probes": self.probe_tables},
            {"Probes": probes, **({"Conditions": conditions} if conditions else {})},
        )

    # --- costs -----------------------------------------------------------------------------

    @cached_property
    def measured(self) -> list[Run]:
        """The runs whose costs are measured."""
        costs = self._options.get("costs")
        if costs is None:
            return []
        names = costs.get("detectors")
        return self.ssl_runs if names is None else [self.study.run_of(name) for name in names]

    @rule(absent=NO_COSTS, when=lambda self: self.measured)
    def layer_costs(self) -> Work:
        """Measure parameters, latency and memory."""
        settings = [run.settings for run in self.measured]
        backbones = {
            product
            for entry in settings
            for product in self._features.of_backbone(entry["frontend"])
        }
        architecture = ("frontend", "backend", "input")
        return Work(
            inputs={"backbones": sorted(backbones)},
            settings={
                "detectors": [
                    {
                        "run": run.id,
                        "detector": run.detector,
                        "settings": {key: run.settings[key] for key in architecture},
                    }
                    for run in self.measured
                ],
                "options": chosen(self._options["costs"], CostOptions),
            },
            modules=sorted({part for entry in settings for part in component_modules(entry)}),
        )

    @cached_property
    def costs(self) -> list[Product]:
        """The table of costs, where they are measured."""
        return [self.layer_costs().product(self.layout.layer_costs())] if self.measured else []

    @material(absent=NO_COSTS, when=lambda self: self.measured)
    def measured_costs(self) -> Material:
        """The costs and the error rates of the detectors that are measured."""
        curves = {name: [run.id for run in runs] for name, runs in self.curves.items()}
        return Material(
            {"curves": curves, "metrics": self._tested(self.measured), "costs": self.costs[0]},
            {"Measured": [run.detector for run in self.measured]},
        )

    @target(absent=NO_LAYERS)
    def layers(self) -> list[Product]:
        """How every detector weighs the layers of its backbone."""
        return [*self.mixes, *self.probe_tables, *self.costs]
