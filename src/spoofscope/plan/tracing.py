"""Source tracing: the attacks of corpora, and the networks that name them."""

from functools import cached_property
from typing import Any

from spoofscope.errors import ConfigError
from spoofscope.layout import Scoring
from spoofscope.names import NONE, UNKNOWN, is_answer
from spoofscope.options import nearest
from spoofscope.options.components import KINDS
from spoofscope.options.declared import filled
from spoofscope.options.tracers import Tracer
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.features import Features
from spoofscope.plan.jobs import Context, Product, Stage, Work, rule, target
from spoofscope.plan.materials import Material, material
from spoofscope.plan.modules import component_modules, corpus_modules, ood_modules
from spoofscope.plan.scoring import Scores, names_of, words_of
from spoofscope.plan.training import Training
from spoofscope.study import Config, Study

NO_TRACING = "no attacks are traced (section `tracing`)"
NO_TRACERS = "no tracer is trained (section `tracers`)"
NO_DECISIONS = (
    "no detector decides about bona fide speech beside a tracer (key `tracing.bonafide_by`)"
)
NO_SHOWN = (
    "no tracer traces an eval split, or there are more than a figure can show (name some, key "
    "`tracing.shown`)"
)

MOST_TRACED = 8
"""So many tracers, counted for each eval set, a figure shows with a panel each; no more."""


def _check_bonafide_by(study: Study, name: str) -> None:
    """A detector that has a threshold, and scores for all that is traced."""
    where = "tracing.bonafide_by"
    study.references.entry(name, "detectors", where)
    if study.run_of(name).kind == "external_scores":
        raise ConfigError(
            f"{where}: of {name} there are only scores, and no threshold from development data; "
            "name a detector that is trained here, or that has a folder"
        )
    for tracer in study.tracers:
        for corpus, split in study.traced_by(tracer):
            study.references.check_scored({"corpus": corpus, "split": split}, where, name)


def _check_known_dev(study: Study, name: str) -> None:
    """A tracer is selected on clips of attacks that it is trained on, as far as that is known."""
    sources = [*study.train_sources(name), *study.dev_sources(name)]
    names = [study.copies.get(one["corpus"], one)["corpus"] for one in sources]
    kinds: list[Any] = [
        KINDS["corpus"].options(study.corpora[corpus], f"corpora.{corpus}") for corpus in names
    ]
    if all(options.dev_lacks_known for options in kinds):
        raise ConfigError(
            f"tracers.{name}.train.dev: dev of {' and '.join(dict.fromkeys(names))} has no attack "
            "of train, so no checkpoint and no threshold can be chosen on it; hold some speakers "
            f"of train out (`corpora.{names[0]}.dev_speakers`), or train on another corpus"
        )


def _check_ood(entry: Config, section: Config, where: str) -> None:
    """A tracer's own list of detectors of unknown attacks, and the one that decides."""
    for i, name in enumerate(entry.get("ood", [])):
        if name not in section["ood"]:
            hint = nearest(name, section["ood"])
            raise ConfigError(f"{where}.ood[{i}]: {name!r} is not in tracing.ood; {hint}")
    own = {**section, **entry}
    name, names = own["decide_by"], list(own["ood"])
    if name not in names:
        said = "" if "decide_by" in entry else " (of tracing.decide_by)"
        listed = f"{where if 'ood' in entry else 'tracing'}.ood"
        raise ConfigError(
            f"{where}.decide_by: {name!r}{said} is not in {listed}; {nearest(name, names)}"
        )


class Tracing(Stage):
    """The sections `tracing` and `tracers`."""

    @staticmethod
    def check(study: Study) -> None:
        """Which corpora are traced, by what, and what decides."""
        section = study.config.get("tracing", {})
        for i, corpus in enumerate(section.get("corpora", [])):
            study.references.entry(corpus, "corpora", f"tracing.corpora[{i}]")
        for corpus in section.get("numbers", {}):
            where = f"tracing.numbers.{corpus}"
            if corpus not in section["corpora"]:
                hint = nearest(corpus, section["corpora"])
                raise ConfigError(f"{where}: {corpus!r} is not in tracing.corpora; {hint}")
        if section and section["decide_by"] not in section["ood"]:
            name, hint = section["decide_by"], nearest(section["decide_by"], section["ood"])
            raise ConfigError(f"tracing.decide_by: {name!r} is not in tracing.ood; {hint}")
        for i, name in enumerate(section.get("shown", [])):
            study.references.entry(name, "tracers", f"tracing.shown[{i}]")
        for name, entry in study.config["tracers"].items():
            where = f"tracers.{name}"
            if not section:
                raise ConfigError(
                    f"{where}: key 'tracing' is missing, which says what tells unknown attacks"
                )
            study.references.check_scored_splits(entry.get("trace", []), f"{where}.trace")
            _check_ood(entry, section, where)
            _check_known_dev(study, name)
            for i, source in enumerate(entry["train"]["data"]):
                for attack in source.get("attacks", []):
                    if is_answer(attack, UNKNOWN):
                        raise ConfigError(
                            f"{where}.train.data[{i}].attacks: {attack!r} is the answer for "
                            "attacks that a tracer does not know, and none that it learns; rename "
                            "this attack in the corpus, or leave it out"
                        )
            for key in ("loss", "select_by"):
                if key in entry["train"].get("recipe", {}):
                    raise ConfigError(
                        f"{where}.train.recipe.{key}: a tracer's is part of its `objective`"
                    )
        if "bonafide_by" in section:
            _check_bonafide_by(study, section["bonafide_by"])

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

    @property
    def section(self) -> Config:
        """The section `tracing`, with all its defaults; empty where the study has none."""
        section: Config = self.study.config.get("tracing", {})
        return section

    # --- attacks ---------------------------------------------------------------------------

    @rule(absent=NO_TRACING, when=lambda self: self.section)
    def list_systems(self, corpus: str) -> Work:
        """List the attacks of a corpus."""
        from spoofscope.corpora.families import families_of

        given = [self.section["numbers"][corpus]] if corpus in self.section["numbers"] else []
        return Work(
            inputs={
                "manifest": self._data.manifest(corpus),
                "numbers": [Product(path) for path in given],
            },
            settings={
                # What the names of attacks say is data, in no digest of code.
                "families": families_of(self.study.corpora[corpus]["type"]),
                **({"files": self.outside.files(given)} if given else {}),
            },
        )

    @rule(absent=NO_TRACING, when=lambda self: self.section)
    def audit_tracing(self, corpus: str) -> Work:
        """Look for what could mislead tracers."""
        entry = self.study.corpora[corpus]
        return Work(
            inputs={
                "manifest": self._data.manifest(corpus),
                "systems": self.list_systems(corpus).product(self.layout.systems(corpus)),
            },
            settings={
                "corpus": corpus,
                "settings": entry,
                "root": self.study.corpus_root(corpus),
            },
            modules=corpus_modules(entry),
        )

    @property
    def audits(self) -> dict[str, Product]:
        """The audit of every corpus whose attacks are traced."""
        return {
            corpus: self.audit_tracing(corpus).product(self.layout.tracing_audit(corpus, "tsv"))
            for corpus in self.section.get("corpora", [])
        }

    @target(absent=NO_TRACING)
    def systems(self) -> list[Product]:
        """The attacks of corpora, known and unknown, and what could mislead who traces them."""
        products = []
        for corpus in self.section.get("corpora", []):
            listed = self.list_systems(corpus)
            products += [
                listed.product(self.layout.systems(corpus)),
                listed.product(self.layout.label_assignment(corpus)),
                self.audits[corpus],
            ]
        return products

    # --- tracers ---------------------------------------------------------------------------

    @cached_property
    def seeds(self) -> list[tuple[str, int]]:
        """Every (run id, seed) of the tracers."""
        return [(run.id, seed) for run in self.study.tracers.values() for seed in run.seeds]

    def options(self, tracer: str) -> Config:
        """What the study file says of a tracer, with all defaults."""
        return filled(self.study.entry_of(self.study.run(tracer).detector), Tracer)

    @rule(absent=NO_TRACERS, when=lambda self: self.study.tracers)
    def train_tracer(self, tracer: str, seed: int) -> Work:
        """Train the network of one tracer with one seed."""
        return self._training.work(tracer, seed, self.layout.tracer_network(tracer, seed))

    def network(self, tracer: str, seed: int) -> list[Product]:
        """What the network of a tracer is loaded from."""
        job = self.train_tracer(tracer, seed)
        return [
            job.product(self.layout.tracer_file(tracer, seed, name))
            for name in ("network/network.json", "network/model.safetensors")
        ]

    @rule(absent=NO_TRACERS, when=lambda self: self.study.tracers)
    def embed_clips(self, tracer: str, seed: int, corpus: str, split: str) -> Work:
        """Work out read-out vectors and logits of the clips of a split."""
        features: list[Product] = []
        if self.study.is_cached(tracer):
            features = self._features.shards(self.study.features_id(tracer), corpus, split)
        output = self.layout.tracer_outputs(Scoring(tracer, seed, corpus, split))
        return Work(
            inputs={
                "network": self.network(tracer, seed),
                "backbone": self._training.backbone(tracer),
                "features": features,
                "manifest": self._data.manifest(corpus),
            },
            settings={
                "folder": self.layout.tracer_network(tracer, seed),
                "split": split,
                "work": self.layout.journal(output),
            },
            modules=component_modules(self.study.run(tracer).settings),
        )

    def outputs(self, tracer: str, seed: int, corpus: str, split: str) -> Product:
        """The read-out vectors and logits of the clips of a split."""
        path = self.layout.tracer_outputs(Scoring(tracer, seed, corpus, split))
        return self.embed_clips(tracer, seed, corpus, split).product(path)

    def trained_on(self, tracer: str) -> list[str]:
        """The corpora of the training clips of a tracer."""
        return sorted({corpus for corpus, _ in self._sources(tracer, "train")})

    def _sources(self, tracer: str, kind: str) -> list[tuple[str, str]]:
        return list(dict.fromkeys(self._training.sources(tracer, kind)))

    @rule(absent=NO_TRACERS, when=lambda self: self.study.tracers)
    def fit_tracer(self, tracer: str, seed: int) -> Work:
        """Fit what tells unknown attacks, and what a decision needs, to a tracer."""
        splits = {kind: self._sources(tracer, kind) for kind in ("train", "dev")}
        detector = self.study.run(tracer).detector
        sources = {
            "train": self.study.train_sources(detector),
            "dev": self.study.dev_sources(detector),
        }
        corpora = sorted({corpus for pairs in splits.values() for corpus, _ in pairs})
        own = {**self.section, **self.options(tracer)}
        return Work(
            inputs={
                "network": self.network(tracer, seed),
                **{
                    kind: [self.outputs(tracer, seed, *pair) for pair in pairs]
                    for kind, pairs in splits.items()
                },
                "manifests": [self._data.manifest(corpus) for corpus in corpora],
            },
            settings={
                "run": tracer,
                "seed": seed,
                "name": detector,
                "folder": self.layout.tracer_network(tracer, seed),
                "sources": sources,
                "corpora": corpora,
                "families": self.families(corpora),
                "ood": self.ood(tracer),
                **{key: own[key] for key in ("decide_by", "threshold_by", "accept_known")},
            },
            modules=ood_modules(self.ood(tracer)),
        )

    def ood(self, tracer: str) -> Config:
        """Name to settings of the detectors of unknown attacks that are fitted to a tracer."""
        own = {**self.section, **self.options(tracer)}
        return {name: self.section["ood"][name] for name in own["ood"]}

    def decided(self, tracer: str) -> Config:
        """What tells unknown attacks of a tracer, for people."""
        own = {**self.section, **self.options(tracer)}
        keys = ("decide_by", "threshold_by", "accept_known", "unit")
        return {"ood": list(own["ood"]), **{key: own[key] for key in keys}}

    def families(self, corpora: list[str]) -> list[list[str]]:
        """Patterns of names of attacks, and what they say, of these corpora or what they copy."""
        from spoofscope.corpora.families import families_of

        kinds = []
        for corpus in corpora:
            entry: Any = self.study.copies.get(corpus)
            kinds.append(self.study.corpora[entry["corpus"] if entry else corpus]["type"])
        return families_of(*sorted(set(kinds)))

    def folder(self, tracer: str, seed: int) -> list[Product]:
        """What a tracer is loaded from, besides its network."""
        job = self.fit_tracer(tracer, seed)
        return [
            job.product(self.layout.tracer_file(tracer, seed, name))
            for name in ("tracer.json", "reference.safetensors")
        ]

    @rule(absent=NO_TRACERS, when=lambda self: self.study.tracers)
    def trace_clips(self, tracer: str, seed: int, corpus: str, split: str) -> Work:
        """Say of every clip of a split which attack made it, or that it is an unknown one."""
        return Work(
            inputs={
                "tracer": self.folder(tracer, seed),
                "outputs": self.outputs(tracer, seed, corpus, split),
                "manifest": self._data.manifest(corpus),
            },
            settings={
                "folder": self.layout.tracer(tracer, seed),
                "split": split,
                "families": self.families([corpus]),
            },
            modules=ood_modules(self.ood(tracer)),
        )

    def traced(self, tracer: str, seed: int, corpus: str, split: str) -> Product:
        """What a tracer says of the clips of a split."""
        path = self.layout.traces(Scoring(tracer, seed, corpus, split))
        return self.trace_clips(tracer, seed, corpus, split).product(path)

    @rule(absent=NO_TRACERS, when=lambda self: self.study.tracers)
    def tracing_metrics(self, tracer: str, seed: int, corpus: str, split: str) -> Work:
        """Measure how well a tracer names attacks and tells unknown ones."""
        return Work(
            inputs={
                "traces": self.traced(tracer, seed, corpus, split),
                "tracer": self.folder(tracer, seed)[0],
            },
            settings={
                "ambiguous": self.section["ambiguous"],
                "unit": self.section["unit"],
                "resamples": self.study.config["bootstrap"]["resamples"],
                "seed": self.study.seed,
            },
        )

    def measured(self, tracer: str, seed: int, corpus: str, split: str) -> Product:
        """How well a tracer does on a split."""
        path = self.layout.tracing_metrics(Scoring(tracer, seed, corpus, split))
        return self.tracing_metrics(tracer, seed, corpus, split).product(path)

    @rule(absent=NO_DECISIONS, when=lambda self: self._decides)
    def decide_clips(self, tracer: str, seed: int, corpus: str, split: str) -> Work:
        """Decide of every clip of a split: bona fide, made by a known attack, or by an unknown
        one.
        """
        run, first = self.study.first_of(self.section["bonafide_by"])
        return Work(
            inputs={
                "tracer": self.folder(tracer, seed),
                "outputs": self.outputs(tracer, seed, corpus, split),
                "scores": self._scoring.of(Scoring(run, first, corpus, split)),
                "detector": self._training.described(run, first),
                "manifest": self._data.manifest(corpus),
            },
            settings={
                "folder": self.layout.tracer(tracer, seed),
                "split": split,
                "unit": self.section["unit"],
                "resamples": self.study.config["bootstrap"]["resamples"],
                "seed": self.study.seed,
            },
            modules=ood_modules(self.ood(tracer)),
        )

    @property
    def _decides(self) -> bool:
        """Whether a detector decides about bona fide speech, beside tracers."""
        return "bonafide_by" in self.section and bool(self.study.tracers)

    def _decided(self, tracer: str, seed: int, corpus: str, split: str) -> list[Product]:
        """What is decided of the clips of a split, and how good that is."""
        job, place = (
            self.decide_clips(tracer, seed, corpus, split),
            Scoring(tracer, seed, corpus, split),
        )
        return [
            job.product(self.layout.decisions(place)),
            job.product(self.layout.decision_metrics(place)),
        ]

    @target(absent=NO_TRACERS)
    def tracers(self) -> list[Product]:
        """Every tracer, trained with every seed, with what tells unknown attacks."""
        return [path for tracer, seed in self.seeds for path in self.folder(tracer, seed)]

    @target(absent=NO_TRACERS)
    def traces(self) -> list[Product]:
        """What tracers say of clips, and how well they do."""
        return [
            path
            for tracer, seed in self.seeds
            for corpus, split in self.study.traced_by(tracer)
            for path in (
                self.traced(tracer, seed, corpus, split),
                self.measured(tracer, seed, corpus, split),
                *(self._decided(tracer, seed, corpus, split) if self._decides else ()),
            )
        ]

    # --- what figures, tables and the report are made of ---------------------------------------

    @cached_property
    def _traced(self) -> list[Config]:
        """What every tracer and seed says of every split, with what that is worth."""
        return [
            {
                "id": tracer,
                "name": self.study.run(tracer).detector,
                "kind": "tracer",
                "seed": seed,
                "corpus": corpus,
                "split": split,
                "traces": self.traced(tracer, seed, corpus, split),
                "tracer": self.folder(tracer, seed)[0],
            }
            for tracer, seed in self.seeds
            for corpus, split in self.study.traced_by(tracer)
        ]

    @cached_property
    def _measured(self) -> list[Config]:
        return [
            {**entry, "metrics": self.measured(entry["id"], *_place(entry))}
            for entry in self._traced
        ]

    @cached_property
    def _decisions(self) -> list[Config]:
        """What is decided with every tracer and seed about every split."""
        return [
            {
                **{key: entry[key] for key in ("id", "name", "kind", "seed", "corpus", "split")},
                "metrics": self._decided(entry["id"], *_place(entry))[1],
            }
            for entry in self._traced
        ]

    @cached_property
    def _shown(self) -> list[Config]:
        """What figures show: eval splits, and the first seed of each tracer; none if all are too
        many for a figure.
        """
        shown = [
            entry for entry in self._traced if entry["split"] == "eval" and self.is_shown(entry)
        ]
        return shown if len(shown) <= MOST_TRACED else []

    def is_shown(self, entry: Config) -> bool:
        """Whether figures show a tracer (`name`, `id`) with that `seed`: its first one."""
        names = self.section.get("shown", list(self.study.config["tracers"]))
        return entry["name"] in names and entry["seed"] == self.study.run(entry["id"]).seeds[0]

    def _about(self, entries: list[Config]) -> dict[str, str | list[str]]:
        return {
            "Tracers": names_of(entries),
            "Traced sets": words_of((entry["corpus"], entry["split"]) for entry in entries),
        }

    @material(absent=NO_TRACERS, when=lambda self: self.seeds)
    def traced_metrics(self) -> Material:
        """How well all tracers do on all traced sets."""
        return Material({"traced": self._measured}, self._about(self._measured))

    @material(absent=NO_TRACERS, when=lambda self: self.seeds)
    def traced_pairs(self) -> Material:
        """The same, and what comparisons of tracers are drawn by."""
        return Material(
            {
                "traced": self._measured,
                "unit": self.section["unit"],
                "resamples": self.study.config["bootstrap"]["resamples"],
                "bootstrap_seed": self.study.seed,
            },
            self._about(self._measured),
        )

    @material(absent=NO_DECISIONS, when=lambda self: self._decides)
    def decided_metrics(self) -> Material:
        """How good the decisions are that a detector and tracers make together."""
        given = {"decided": self._decisions, "bonafide_by": self.section["bonafide_by"]}
        return Material(given, self._about(self._decisions))

    @property
    def judged(self) -> tuple[list[Config], list[Config]]:
        """What every tracer and seed says of every split and how well it does, and the decisions
        that are made with it; none of these where nothing is decided."""
        return self._measured, self._decisions if self._decides else []

    def protocol(self, corpus: str) -> str:
        """What the data of a corpus are called among published numbers; "-" of copies."""
        if corpus in self.study.copies:
            return NONE
        entry = self.study.corpora[corpus]
        options: Any = KINDS["corpus"].options(entry, f"corpora.{corpus}")
        return str(options.published_as) or str(entry["type"])

    @material(absent=NO_TRACERS, when=lambda self: self.seeds)
    def traced_clips(self) -> Material:
        """What all tracers say of the clips of all traced sets."""
        return Material({"traced": self._traced}, self._about(self._traced))

    @material(absent=NO_SHOWN, when=lambda self: self._shown)
    def shown_traces(self) -> Material:
        """What tracers say of the clips of eval sets, where a figure has room for them."""
        return Material({"traced": self._shown}, self._about(self._shown))

    @material(absent=NO_SHOWN, when=lambda self: self._shown)
    def shown_measures(self) -> Material:
        """The same, and how well they do."""
        measured = [
            {**entry, "metrics": self.measured(entry["id"], *_place(entry))}
            for entry in self._shown
        ]
        return Material({"traced": measured}, self._about(self._shown))

    @material(absent=NO_SHOWN, when=lambda self: self._shown)
    def shown_vectors(self) -> Material:
        """The same, with the read-out vectors of the clips."""
        vectors = [
            {**entry, "outputs": self.outputs(entry["id"], *_place(entry))} for entry in self._shown
        ]
        return Material({"traced": vectors}, self._about(self._shown))


def _place(entry: Config) -> tuple[int, str, str]:
    return entry["seed"], entry["corpus"], entry["split"]
