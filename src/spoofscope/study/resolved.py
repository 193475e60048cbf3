"""A study file, resolved into runs, features and all that has scores.

Imported while the workflow is parsed, on every cluster job again, so it must stay light: standard
library, PyYAML and jsonschema only. Every value that reaches a rule's `params` is a plain type.
"""

import copy
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spoofscope.distribution import PUBLISHED, published_archives, published_noise
from spoofscope.errors import ConfigError, DetectorError
from spoofscope.grids import expand, grids_of
from spoofscope.identity import hash8
from spoofscope.layout import Layout, Scoring
from spoofscope.options import nearest
from spoofscope.options.components import FRONT_ENDS
from spoofscope.options.declared import filled
from spoofscope.options.detectors import Detector
from spoofscope.options.frontends.base import FrontEndOptions
from spoofscope.options.frontends.ssl import EncoderOptions
from spoofscope.options.study_file import StudyFile
from spoofscope.options.tracers import Tracer
from spoofscope.presets import with_values
from spoofscope.settings import TRACER_FILE, read_settings
from spoofscope.study.reading import check_values, with_defaults
from spoofscope.study.references import References, contents_of, without_location
from spoofscope.study.schema import Config, check_components, check_config, check_preset, kind_of

MOST_SHOWN = 48
"""So many systems and seeds a figure shows with a curve, a row or a panel each; no more."""

# Types of corpora that come with the places of their artefacts.
_WITH_SEGMENTS = ("half_truth", "mini", "partialspoof")

# Types that come with phones, but not with artefacts.
_WITH_PHONES = ("tts",)

# Types of corpora whose audio the workflow makes.
_GENERATED = ("mini", "tts")

# Run ids are hashes of settings whose keys had these names. With them, no detector is trained anew
# for a word.
_HASHED_AS = {"attack": "system", "attacks": "systems", "exclude_attacks": "exclude_systems"}


def _source_text(source: Config) -> str:
    """A corpus and which of its attacks."""
    words = [", ".join(source.get("attacks", []))]
    if "exclude_attacks" in source:
        words.append(f"without {', '.join(source['exclude_attacks'])}")
    chosen = " ".join(filter(None, words))
    return source["corpus"] + (f" ({chosen})" if chosen else "")


def _as_hashed(value: Any) -> Any:
    """Settings with the former names of their keys, which run ids are hashes of."""
    if isinstance(value, Mapping):
        return {_HASHED_AS.get(key, key): _as_hashed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_hashed(inner) for inner in value]
    return value


@dataclass(frozen=True)
class Run:
    """One detector of the study, without its seed.

    id: `{detector}-{hash8}`. kind: see :func:`kind_of`. settings: everything that determines the
    weights, seed excepted; of scores of others, where they are.
    """

    id: str
    detector: str
    kind: str
    settings: Config
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Absent:
    """What a pretrained detector lacks.

    kind: detector or backbone. name: of the detector. place: where it is looked for. message: what
    is said where it is needed.
    """

    kind: str
    name: str
    place: str
    message: str


class Study:
    """A study file, resolved. What it asks of its analyses is checked by the stages that make them,
    see `plan.study_plan`.

    Attributes:
        written: the study file as it was given, its sections in the order of the schema.
        config: the same with every grid and pattern expanded, and with the defaults of all that is
            declared in `options.study_file`.
        references: what the names in it stand for.
        name: its `study` key.
        root: the folder of its results, `results/{name}`.
        layout: where everything lies in it.
        runs: run id to :class:`Run`, of all that has scores, in the order of the study file.
        tracers: run id to :class:`Run`, of the tracers.
        grids: name to :class:`grids.Grid`, of those whose points have error rates.
        absent: what pretrained detectors lack; empty but for `absent_detectors`.

    Args:
        config: the study file's content.
        placed: where a folder that the workflow makes is put, from where it would be by itself.
        absent_detectors: take a study whose pretrained detectors are not all there yet; they are in
            `absent`, and nothing can be planned. Otherwise they are refused.

    Raises:
        ConfigError: the content breaks the schema, or a name stands for nothing.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        placed: Callable[[str], str] = str,
        absent_detectors: bool = False,
    ) -> None:
        config = with_defaults(config)
        expanded = expand(config)
        check_config(expanded)
        check_values(expanded)
        check_components(expanded)
        # The order of detectors counts, where results name them; that of the sections does not.
        self.config: Config = filled(expanded, StudyFile)
        for name, entry in self.config["corpora"].items():
            if entry.get("archives") == PUBLISHED:
                place = f"corpora.{name}.archives"
                entry["archives"] = published_archives(entry["type"], place)
        for kind, entry in self.config["noise"].items():
            if entry.get("archives") == PUBLISHED:
                entry["archives"] = published_noise(kind, f"noise.{kind}.archives")
        self.grids = grids_of(config)
        self.written: Config = {
            key: copy.deepcopy(config[key]) for key in self.config if key in config
        }
        self.name: str = self.config["study"]
        self.root = placed(f"results/{self.name}")
        self.seed: int = self.config["seed"]
        self.data_root = placed(self.config["data_root"])
        self.layout = Layout(self.root, self.data_root)
        self.corpora: dict[str, Config] = self.config["corpora"]
        self.copies: dict[str, Config] = self.config["augmented"]
        self.references = References(self.config)
        self.references.check()
        self.runs: dict[str, Run] = {}
        self.absent: list[Absent] = []
        for name in self.config["detectors"]:
            run = self._resolved(name)
            self.runs[run.id] = run
        traced = [self._resolved(name) for name in self.config["tracers"]]
        self.tracers: dict[str, Run] = {run.id: run for run in traced}
        if self.absent and not absent_detectors:
            others = len(self.absent) - 1
            more = f" (and {others} more; `spoofscope needs` lists all)" if others else ""
            raise ConfigError(f"{self.absent[0].message}{more}")
        # Asked for by every job of a large study.
        self._run_of = {run.detector: run for run in self.runs.values()}
        self._features_of = {
            run_id: self._features_id(run)
            for run_id, run in {**self.runs, **self.tracers}.items()
            if run.kind in ("detector", "tracer")
        }
        self._fusion_of = {self.fusion_id(name): name for name in self.references.fusions}
        names = {run_id: run.detector for run_id, run in self.runs.items()} | self._fusion_of
        self._scored_by = {system: self.references.sets_of(name) for system, name in names.items()}

    # --- data ------------------------------------------------------------------------------

    def corpus_identity(self, name: str) -> Config:
        """What determines a corpus: its settings without its location, or the copy's recipe."""
        if name in self.copies:
            entry = self.copies[name]
            return {
                "copy": name,
                "corpus": self.corpus_identity(entry["corpus"]),
                "chain": self.references.chain(entry["chain"], f"augmented.{name}.chain"),
                "splits": entry["splits"],
                "sample_rate": entry["sample_rate"],
                "seed": self.seed,
                **({"classes": entry["classes"]} if "classes" in entry else {}),
            }
        entry = self.corpora[name]
        identity = {"corpus": name, **without_location(entry)}
        if entry["type"] == "tts":
            identity["human"] = self.corpus_identity(entry["human"])
        return {**identity, "seed": self.seed} if self.is_generated(name) else identity

    def is_generated(self, corpus: str) -> bool:
        """Whether the workflow itself makes the audio of a corpus."""
        return self.corpora[corpus]["type"] in _GENERATED

    def generated(self, entry: Config) -> Config:
        """The parameters of a generated corpus: everything its files depend on."""
        return {"type": entry["type"], "options": entry.get("options", {}), "seed": self.seed}

    def spoken(self, entry: Config) -> Config:
        """The parameters of a corpus that synthesizers speak; its recordings are those of another
        corpus.
        """
        reading = ("type", "splits", "on_bad_audio", "most_bad_audio")
        return {
            "options": {key: value for key, value in entry.items() if key not in reading},
            "human": self.corpus_identity(entry["human"]),
            "seed": self.seed,
        }

    def corpus_root(self, name: str) -> str:
        """The folder that holds a corpus."""
        entry = self.corpora[name]
        if entry["type"] == "mini":
            return self.layout.generated_corpus(hash8(self.generated(entry)))
        if entry["type"] == "tts":
            return self.layout.spoken_corpus(hash8(self.spoken(entry)))
        if "archives" in entry:
            folder = self.layout.unpacked(hash8(contents_of(entry["archives"])))
            return f"{folder}/{entry['subfolder']}" if "subfolder" in entry else folder
        return str(entry["path"])

    def corpus_marker(self, name: str) -> list[str]:
        """Files whose presence says that a generated or downloaded corpus is complete."""
        entry = self.corpora[name]
        if entry["type"] == "mini":
            return [self.layout.generated_file(hash8(self.generated(entry)), "protocol.tsv")]
        if entry["type"] == "tts":
            return [self.layout.spoken_file(hash8(self.spoken(entry)), "protocol.tsv")]
        if "archives" in entry:
            return [self.layout.unpacked_list(hash8(contents_of(entry["archives"])))]
        return []

    def has_segments(self, name: str) -> bool:
        """Whether a corpus, or the corpus behind a copy, says where its artefacts are."""
        if name in self.copies:
            return self.has_segments(self.copies[name]["corpus"])
        entry = self.corpora[name]
        return entry["type"] in _WITH_SEGMENTS or bool(entry.get("segments", False))

    def has_tiers(self, name: str) -> bool:
        """Whether a corpus, or the corpus behind a copy, comes with segments of any tier: its
        artefacts, or its phones.
        """
        if name in self.copies:
            return self.has_tiers(self.copies[name]["corpus"])
        return self.corpora[name]["type"] in _WITH_PHONES or self.has_segments(name)

    def noise_root(self, kind: str) -> str:
        """The folder in MUSAN's (`musan`) or RIRS_NOISES' (`rirs`) layout."""
        entry = self.config["noise"][kind]
        if "path" in entry:
            return str(entry["path"])
        if "archives" in entry:
            return self.layout.unpacked(hash8(contents_of(entry["archives"])))
        return self.layout.generated_noise(self.generated_noise(kind))

    def generated_noise(self, kind: str) -> str:
        """`{digest}/{kind}` of a folder of noise that is generated."""
        return f"{hash8({'seed': self.seed, **self.config['noise'][kind]})}/{kind}"

    def traced_by(self, tracer: str) -> list[tuple[str, str]]:
        """Every (corpus, split) that a tracer traces: its key `trace`, or the dev and eval splits
        of the corpora that section `tracing` names.
        """
        entry = self.config["tracers"][self.run(tracer).detector]
        corpora = self.config.get("tracing", {}).get("corpora", [])
        default = [{"corpus": corpus, "splits": ["dev", "eval"]} for corpus in corpora]
        sets = entry.get("trace", default)
        return list(
            dict.fromkeys((one["corpus"], split) for one in sets for split in one["splits"])
        )

    def shards(self, split: str) -> int:
        """How many parts the work on one split is cut into."""
        return int(self.config["scatter_shards"][split])

    def shard_names(self, split: str) -> list[str]:
        """The names of these parts, such as `1-of-4`."""
        count = self.shards(split)
        return [f"{i}-of-{count}" for i in range(1, count + 1)]

    def scored_by(self, system: str) -> list[tuple[str, str]]:
        """Every (corpus, split) that a run or a fusion is scored on; a fusion where all of its
        members are.
        """
        return self._scored_by[system]

    def scored(self) -> list[tuple[str, str]]:
        """Every (corpus, split) that some detector is scored on."""
        return list(dict.fromkeys(pair for run in self.runs for pair in self.scored_by(run)))

    def chosen(self, section: str) -> list[tuple[str, int]]:
        """(id, seed) of the systems that `comparisons`, `reliability` or `exports` names, each with
        its first seed; none where the study has no such section. By default all are exported, and
        those compared and drawn that figures show.
        """
        if section not in self.config:
            return []
        names = self.config[section].get("systems")
        if names is None:
            pairs = self.systems() if section == "exports" else self.shown()
            first = dict(reversed(pairs))
            return [(system, first[system]) for system in dict.fromkeys(s for s, _ in pairs)]
        return [self.first_of(name) for name in names]

    def first_of(self, name: str) -> tuple[str, int]:
        """(id, seed) of a detector, with its first seed, or of a fusion."""
        if name in self.references.fusions:
            return self.fusion_id(name), 0
        run = self.run_of(name)
        return run.id, run.seeds[0]

    def scorings(self) -> list[Scoring]:
        """Everything that has a score file."""
        return [
            Scoring(system, seed, corpus, split)
            for system, seed in self.systems()
            for corpus, split in self.scored_by(system)
        ]

    # --- detectors -------------------------------------------------------------------------

    def backbone_source(self, name: str) -> Config:
        """Everything that determines a backbone's files; only a tiny one depends on the seed."""
        entry: Config = self.config["backbones"][name]
        return {"seed": self.seed, **entry} if "tiny" in entry else dict(entry)

    def backbone_id(self, name: str) -> str:
        """Folder name of a backbone."""
        return f"{name}-{hash8(self.backbone_source(name))}"

    def backbone_folder(self, name: str) -> str:
        """The folder from which a backbone is loaded."""
        entry = self.config["backbones"][name]
        return str(entry.get("folder", self.layout.backbone(self.backbone_id(name))))

    def frontend(self, name: str) -> Config:
        """A front-end's settings with its backbone resolved to family and folder or hub id."""
        entry = copy.deepcopy(self.config["frontends"][name])
        if "backbone" in entry:
            backbone = self.config["backbones"][entry["backbone"]]
            folder = self.backbone_folder(entry["backbone"])
            entry["backbone"] = {"family": backbone["family"], "folder": folder}
            for key in ("hub", "revision"):
                if key in backbone:
                    entry["backbone"][key] = backbone[key]
        return dict(entry)

    def frontend_identity(self, name: str) -> Config:
        """What determines a front-end's output: its settings without the place of a backbone that
        a rule puts on disk, and without whether its output is kept.
        """
        entry = copy.deepcopy(self.config["frontends"][name])
        entry.pop("cache", None)
        if "backbone" in entry:
            backbone = self.config["backbones"][entry["backbone"]]
            entry["backbone"] = {**backbone, "seed": self.seed} if "tiny" in backbone else backbone
        return dict(entry)

    def is_frozen(self, name: str) -> bool:
        """Whether a front-end has no trainable parameter, so that its output may be cached."""
        options = self._frontend_options(name)
        return not isinstance(options, EncoderOptions) or options.fine_tune == "none"

    def _frontend_options(self, name: str) -> FrontEndOptions:
        entry = self.config["frontends"][name]
        values = {key: value for key, value in entry.items() if key != "type"}
        return FRONT_ENDS[entry["type"]].from_dict(values, f"frontends.{name}")

    def entry_of(self, name: str) -> Config:
        """What the study file says of a detector or a tracer."""
        entry: Config = self.config["detectors"].get(name) or self.config["tracers"][name]
        return entry

    def _resolved(self, name: str) -> Run:
        entry = self.entry_of(name)
        kind = "tracer" if name in self.config["tracers"] else kind_of(entry)
        if kind == "pretrained":
            settings = self._pretrained(name, entry)
            # Where the folder lies is no part of what it holds.
            return Run(f"{name}-{hash8(settings['sha256'])}", name, kind, settings, (0,))
        if kind == "external_scores":
            settings = {"scores": copy.deepcopy(entry["scores"])}
            return Run(f"{name}-{hash8(settings)}", name, kind, settings, (0,))
        settings = self._run_settings(name)
        identity = {**settings, "frontend": self.frontend_identity(entry["frontend"])}
        seeds = tuple(filled(entry, Tracer if kind == "tracer" else Detector)["seeds"])
        return Run(f"{name}-{hash8(_as_hashed(identity))}", name, kind, settings, seeds)

    def _pretrained(self, name: str, entry: Config) -> Config:
        """What a detector folder says about itself, and the hash of where it says so."""
        where = f"detectors.{name}.folder"
        path = Path(entry["folder"]) / "detector.json"

        def absent(kind: str, place: str, message: str) -> None:
            self.absent.append(Absent(kind, name, place, f"{where}: {message}"))

        nothing = {"frontend": {}, "backend": {}, "input": {}, "weights_sha256": "", "sha256": ""}
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            is_tracer = (path.parent / TRACER_FILE).is_file()
            absent(
                "detector",
                entry["folder"],
                f"{entry['folder']} is "
                + ("the folder of a tracer: " if is_tracer else "no detector folder: ")
                + "it has no detector.json; `spoofscope import` makes one of published weights, "
                "and a study has one per detector and seed",
            )
            return nothing
        except OSError as error:
            absent("detector", entry["folder"], f"{path} cannot be read: {error.strerror}")
            return nothing
        try:
            description = read_settings(path)
            settings = {
                key: description[key] for key in ("frontend", "backend", "input", "weights_sha256")
            }
            folder = (settings["frontend"].get("backbone") or {}).get("folder")
            sources = description["meta"].get("trained_on", [])
            trained_on = [Path(source["manifest"]).stem for source in sources]
            if not isinstance(folder, str | None):
                raise TypeError(f"the folder of its backbone must be a text, not {folder!r}")
        except DetectorError as error:
            absent("detector", entry["folder"], str(error))
            return nothing
        except (KeyError, TypeError, AttributeError) as error:
            absent("detector", entry["folder"], f"{path} describes no detector: {error!r}")
            return nothing
        of_study = {self.backbone_folder(backbone) for backbone in self.config["backbones"]}
        if folder is not None and folder not in of_study and not os.path.isdir(folder):
            absent(
                "backbone",
                folder,
                f"the detector's backbone, {folder}, does not exist; put the backbone there, or "
                "start from the folder where the detector was made",
            )
        return {
            **settings,
            "sha256": hashlib.sha256(text).hexdigest(),
            "trained_on": list(dict.fromkeys(trained_on)),
        }

    def _run_settings(self, name: str) -> Config:
        entry = self.entry_of(name)
        section = "tracers" if name in self.config["tracers"] else "detectors"
        train = entry["train"]
        frontend = self.frontend(entry["frontend"])
        frontend.pop("cache", None)
        settings: Config = {
            "frontend": frontend,
            "backend": copy.deepcopy(entry["backend"]),
            "input": copy.deepcopy(entry.get("input", {})),
            "recipe": self._recipe(name),
            "data": [self._source(source) for source in train["data"]],
            "dev": [self._source(source) for source in self.dev_sources(name)],
        }
        if "chain" in train:
            chain = self.references.chain(train["chain"], f"{section}.{name}.train.chain")
            settings["chain"] = {**chain, "seed": self.seed}
            if "chain_classes" in train:
                settings["chain"]["classes"] = train["chain_classes"]
        if name in self.config["tracers"]:
            settings["objective"] = filled(entry, Tracer)["objective"]
        elif "objective" in entry:
            settings["objective"] = copy.deepcopy(entry["objective"])
        if "abstain" in entry:
            settings["abstain"] = entry["abstain"]
        if "aggregate" in entry:
            settings["aggregate"] = copy.deepcopy(entry["aggregate"])
        return settings

    def _recipe(self, name: str) -> Config:
        """A detector's recipe; a preset in it stands there with its values."""
        train = self.entry_of(name)["train"]
        section = "tracers" if name in self.config["tracers"] else "detectors"
        recipe = with_values(train.get("recipe", {}), f"{section}.{name}.train.recipe")
        if recipe.get("preset") is not None:
            check_preset(recipe["preset"]["name"])
        return recipe

    def trained_on(self, detector: str) -> list[str]:
        """Names of what a detector or tracer was trained on, for people; of what was trained
        elsewhere only what its folder tells.
        """
        run = self._run_of.get(detector)
        if run is not None and run.kind != "detector":
            return run.settings.get("trained_on") or ["elsewhere"]
        sources = self.entry_of(detector)["train"]["data"]
        return [_source_text(source) for source in sources]

    def train_sources(self, detector: str) -> list[Config]:
        """What a detector is trained on; of a pretrained one its `reference`, if it has one."""
        entry = self.entry_of(detector)
        if "train" not in entry:
            return list(entry.get("reference", []))
        return list(entry["train"]["data"])

    def dev_sources(self, detector: str) -> list[Config]:
        """Where a detector's model selection happens; by default the corpora it is trained on."""
        return self.references.dev_of(self.entry_of(detector)["train"])

    def _source(self, source: Config) -> Config:
        return {**source, "corpus": self.corpus_identity(source["corpus"])}

    def run(self, run_id: str) -> Run:
        """The run of that id.

        Raises:
            ConfigError: the study file does not define it (it was edited meanwhile, or the id is
                from another study).
        """
        runs = self.tracers if run_id in self.tracers else self.runs
        if run_id not in runs:
            raise ConfigError(
                f"the study file defines no run {run_id!r}; was it edited while jobs were "
                f"waiting? {nearest(run_id, [*self.runs, *self.tracers])}"
            )
        return runs[run_id]

    def run_of(self, detector: str) -> Run:
        """The run that a detector's name stands for."""
        return self._run_of[detector]

    def runs_of(self, *kinds: str) -> list[str]:
        """Ids of the runs of these kinds, see :func:`kind_of`."""
        return [run_id for run_id, run in self.runs.items() if run.kind in kinds]

    def run_seeds(self) -> list[tuple[str, int]]:
        """Every (run id, seed) of the study."""
        return [(run.id, seed) for run in self.runs.values() for seed in run.seeds]

    def detector_seeds(self) -> list[tuple[str, int]]:
        """Every (run id, seed) that has a detector folder."""
        with_folder = self.runs_of("detector", "pretrained")
        return [(run_id, seed) for run_id in with_folder for seed in self.runs[run_id].seeds]

    # --- features --------------------------------------------------------------------------

    def is_cached(self, run_id: str) -> bool:
        """Whether a run's front-end is run once per corpus and its output kept."""
        if self.run(run_id).kind not in ("detector", "tracer"):
            return False
        name = self.entry_of(self.run(run_id).detector)["frontend"]
        return self.is_frozen(name) and self._frontend_options(name).cache != "none"

    def features_id(self, run_id: str) -> str:
        """`{frontend}-{hash8}` of the cached features that a run reads."""
        return self._features_of[self.run(run_id).id]

    def _features_id(self, run: Run) -> str:
        name = self.entry_of(run.detector)["frontend"]
        identity = {
            "frontend": self.frontend_identity(name),
            "input": run.settings["input"],
        }
        return f"{name}-{hash8(identity)}"

    def features(self, features_id: str) -> Config:
        """Front-end and input settings behind a features id."""
        for run_id, other in self._features_of.items():
            if other == features_id:
                run = self.run(run_id)
                return {"frontend": run.settings["frontend"], "input": run.settings["input"]}
        raise ConfigError(f"the study file defines no features {features_id!r}")

    def trains_on_features(self, run_id: str) -> bool:
        """Whether the training reads cached features (it cannot when it augments on the fly)."""
        return self.is_cached(run_id) and "chain" not in self.run(run_id).settings

    # --- fusion ----------------------------------------------------------------------------

    def fusion_members(self, name: str) -> list[tuple[str, int]]:
        """(run id, seed) of every detector of a fusion, each with its first seed."""
        entry = self.config["fusion"][name]
        runs = [self.run_of(detector) for detector in entry["detectors"]]
        return [(run.id, run.seeds[0]) for run in runs]

    def fusion_settings(self, name: str) -> Config:
        """Everything that determines a fusion."""
        entry = self.config["fusion"][name]
        return {
            "method": entry["method"],
            "fit": entry["fit"],
            "members": [[run_id, seed] for run_id, seed in self.fusion_members(name)],
        }

    def fusion_id(self, name: str) -> str:
        """`{fusion}-{hash8}`."""
        return f"{name}-{hash8(self.fusion_settings(name))}"

    def shown(self) -> list[tuple[str, int]]:
        """Every (id, seed) that figures show which have a curve, a row or a panel for each: those
        that section `figures` names, or all; none where all are too many.
        """
        names = self.config.get("figures", {}).get("systems")
        if names is None:
            return self.systems() if len(self.systems()) <= MOST_SHOWN else []
        ids = {self.run_of(name).id for name in names if name in self._run_of}
        ids |= {fusion for fusion, name in self._fusion_of.items() if name in names}
        return [(system, seed) for system, seed in self.systems() if system in ids]

    def systems(self) -> list[tuple[str, int]]:
        """Every (id, seed) that has score files: the runs, then the fusions (seed 0)."""
        return self.run_seeds() + [(fusion, 0) for fusion in self._fusion_of]
