"""The study file: checking it, and resolving it into runs, features and rule parameters.

Imported while the workflow is parsed, on every cluster job again, so it must stay light: standard
library, PyYAML and jsonschema only. Every value that reaches a rule's `params` is a plain type.
"""

import copy
import functools
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spoofscope.errors import ConfigError, DetectorError
from spoofscope.grids import expand, grids_of
from spoofscope.identity import hash8
from spoofscope.layout import Layout, Scoring
from spoofscope.names import RENAMED_COLUMNS
from spoofscope.options import check_resamples, nearest, speaker_pattern
from spoofscope.presets import values_of, with_values
from spoofscope.settings import read_settings
from spoofscope.study_files import check_values, located, merged, path_text, read_config

SCHEMA = Path(__file__).resolve().parents[2] / "config" / "schemas" / "study.schema.yaml"

MINI = SCHEMA.parents[1] / "config.yaml"
"""The study file of the mini study."""

# Sections whose entries are checked against a definition of their own, chosen by one key.
_DISPATCH = {
    "corpora": ("type", "corpus"),
    "frontends": ("type", "frontend"),
}

# Types of front-ends whose features have a frequency axis.
_WITH_BANDS = ("fbank", "stft", "wavelet_packets")

# Types of corpora that come with the places of their artefacts.
_WITH_SEGMENTS = ("half_truth", "mini", "partialspoof")

RENAMED_KEYS = {
    "systems": "attacks",
    "exclude_systems": "exclude_attacks",
    "per_system": "per_attack",
}
"""Former names of keys, which are refused with the name of today."""

# Run ids are hashes of settings whose keys had these names. With them, no detector is trained anew
# for a word.
_HASHED_AS = {"attack": "system", "attacks": "systems", "exclude_attacks": "exclude_systems"}

Config = dict[str, Any]


MOST_JOBS = 200_000
"""So many jobs of scoring a study may have."""

# What `data_root` may not be in: what is under version control, and what the workflow writes.
# fmt: off
_OWN_FOLDERS = frozenset((
    ".ci", ".git", ".snakemake", ".venv", "benchmarks", "config", "docs", "envs", "logs",
    "profiles", "results", "src", "tests", "workflow",
))
# fmt: on

MOST_SHOWN = 48
"""So many systems and seeds a figure shows with a curve, a row or a panel each; no more."""


@functools.cache
def _schema(path: Path) -> Config:
    with open(path, encoding="utf-8") as stream:
        schema: Config = yaml.load(stream, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return schema


def _explain(error: Any, prefix: str) -> str:
    where = path_text([*([prefix] if prefix else []), *error.absolute_path]) or "the study file"
    if error.validator == "additionalProperties":
        allowed = set(error.schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in allowed)
        # YAML 1.1 makes booleans of the words on, off, yes and no, and numbers of digits.
        if RENAMED_KEYS.get(unknown) in allowed:
            return f"{where}: unknown key {unknown!r}; it is called {RENAMED_KEYS[unknown]!r} now"
        hint = "" if isinstance(unknown, str) else " (in YAML, quote such a key to make it a text)"
        return f"{where}: unknown key {unknown!r}{hint}; {nearest(str(unknown), allowed)}"
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"{where}: key {missing[0]!r} is missing"
    if error.validator == "type":
        wanted = error.validator_value
        names = wanted if isinstance(wanted, str) else " or ".join(wanted)
        hint = ""
        if isinstance(error.instance, float) and "integer" in names and "string" not in names:
            hint = f" (write {error.instance:.0f})" if error.instance.is_integer() else ""
        elif isinstance(error.instance, str) and "number" in names:
            hint = " (in YAML write 1.0e-3, not 1e-3, for a number)"
        elif isinstance(error.instance, bool | int | float) and "string" in names:
            hint = " (in YAML, quote numbers and words such as yes and no to make them texts)"
        return f"{where}: expected {names}, found {error.instance!r}{hint}"
    if error.validator == "enum":
        value = str(error.instance)
        hint = nearest(value, [str(allowed) for allowed in error.validator_value])
        return f"{where}: {value!r} is not allowed; {hint}"
    if error.validator == "pattern":
        meaning = f"; it has to be {error.schema['title']}" if "title" in error.schema else ""
        return f"{where}: {error.instance!r} does not match {error.validator_value}{meaning}"
    # Messages of JSON Schema quote the whole value, which may be the whole file.
    return f"{where}: {error.message if len(error.message) < 300 else _short(error)}"


def _short(error: Any) -> str:
    """What a value breaks, where the value is too long to be quoted."""
    return f"the value breaks the rule {error.validator}: {error.validator_value}"[:300]


@functools.cache
def _validator() -> Any:
    """JSON Schema, but that 8000.0 is no integer, and that a pattern is about the whole text."""
    import jsonschema

    draft = jsonschema.Draft202012Validator

    def whole(checker: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    def pattern(validator: Any, wanted: str, value: Any, schema: Any) -> Iterator[Any]:
        # `$` also matches before a line break at the end.
        if isinstance(value, str) and not re.fullmatch(wanted, value):
            yield jsonschema.ValidationError(f"{value!r} does not match {wanted!r}")

    types = draft.TYPE_CHECKER.redefine("integer", whole)
    extend: Any = jsonschema.validators.extend
    return extend(draft, {"pattern": pattern}, type_checker=types)


def _check(instance: Any, schema: Config, definition: Config, prefix: str = "") -> None:
    combined = {**definition, "$defs": schema["$defs"]}
    validator = _validator()(combined)
    # A misspelt key is both unknown and missing; the first of these says more.
    errors = sorted(
        validator.iter_errors(instance),
        key=lambda e: (len(e.absolute_path), e.validator != "additionalProperties", e.message),
    )
    if errors:
        raise ConfigError(_explain(errors[0], prefix))


@functools.cache
def _check_preset(name: str, schema_path: Path) -> None:
    schema = _schema(schema_path)
    _check(values_of(name), schema, schema["$defs"]["recipe"], f"preset {name}")


_DEFAULTS: Config = {
    "seed": 1,
    "data_root": "resources",
    "scatter_shards": {},
    "frontends": {},
    "detectors": {},
}

# Settings that name a file or a folder outside of the study's results; * stands for any name or
# number. A ~ at the beginning is the home folder there, and nowhere else.
_PATHS = (
    "data_root",
    "corpora.*.path",
    "corpora.*.audio_root",
    "noise.*.path",
    "backbones.*.folder",
    "detectors.*.folder",
    "detectors.*.scores.*.path",
    "tdcf.*.scores",
)


def with_defaults(config: Mapping[str, Any]) -> Config:
    """A study file with what may be left out of it, and `~` replaced in its paths.

    The title is the study's name, by default.

    Raises:
        ConfigError: a `~` of a user who is not known.
    """
    defaults = {"title": str(config.get("study", "")), **_DEFAULTS}
    filled: Config = copy.deepcopy({**defaults, **config})
    for pattern in _PATHS:
        _expand_homes(filled, pattern.split("."), [])
    return filled


def _expand_homes(values: Any, pattern: list[str], where: list[Any]) -> None:
    """Replace `~` in the texts at a place of `_PATHS` below `values`, in place."""
    first, *rest = pattern
    keys: Iterable[Any] = ()
    if isinstance(values, dict):
        keys = list(values) if first == "*" else [first] if first in values else []
    elif isinstance(values, list) and first == "*":
        keys = range(len(values))
    for key in keys:
        if rest:
            _expand_homes(values[key], rest, [*where, key])
        elif isinstance(values[key], str) and values[key].startswith("~"):
            home = os.path.expanduser(values[key])
            if home.startswith("~"):
                raise ConfigError(
                    f"{path_text([*where, key])}: {values[key]!r}: there is no such home folder; "
                    "write ./~... for a folder of that name"
                )
            values[key] = home


def check_config(config: Mapping[str, Any], schema_path: Path = SCHEMA) -> None:
    """Check a study file against its schema.

    Raises:
        ConfigError: an unknown key (with the nearest valid one), a wrong type, a missing key, or a
            name that is used but not defined.
    """
    schema = _schema(schema_path)
    _check(config, schema, {key: value for key, value in schema.items() if key != "$defs"})
    definitions = schema["$defs"]

    def dispatch(entry: Any, key: str, kind: str, prefix: str) -> None:
        names = [
            name.removeprefix(f"{kind}_") for name in definitions if name.startswith(f"{kind}_")
        ]
        if key not in entry:
            raise ConfigError(f"{prefix}: key {key!r} is missing; {nearest('', names)}")
        name = str(entry[key])
        if name not in names:
            raise ConfigError(f"{prefix}.{key}: {name!r} is not known; {nearest(name, names)}")
        _check(entry, schema, definitions[f"{kind}_{name}"], prefix)

    for section, (key, kind) in _DISPATCH.items():
        for name, entry in config.get(section, {}).items():
            dispatch(entry, key, kind, f"{section}.{name}")
    for name, detector in config.get("detectors", {}).items():
        _check(detector, schema, definitions[kind_of(detector)], f"detectors.{name}")
        if "backend" not in detector:
            continue
        dispatch(detector["backend"], "type", "backend", f"detectors.{name}.backend")
    for name, steps in config.get("chains", {}).items():
        for i, step in enumerate(steps):
            dispatch(step, "effect", "effect", f"chains.{name}[{i}]")


def load_study(*paths: str | Path, absent_detectors: bool = False) -> "Study":
    """Read and check a study file (YAML).

    Args:
        paths: the file, and overlays of it in order, as Snakemake's `--configfile` takes them: a
            file that names no study overlays the mini study.
        absent_detectors: see :class:`Study`.

    Raises:
        ConfigError: as :func:`study_files.read_config`, or the files break the schema.
    """
    config: Config = {}
    for path in paths:
        config = merged(config, read_config(path))
    if "study" not in config:
        config = merged(read_config(MINI), config)
    try:
        return Study(config, absent_detectors=absent_detectors)
    except ConfigError as error:
        raise located(error, paths) from None


def local_gpu() -> int:
    """1 where this machine has an NVIDIA GPU, else 0; found without importing torch."""
    return int(Path("/dev/nvidia0").exists())


def kind_of(entry: Mapping[str, Any]) -> str:
    """Where an entry of `detectors` gets its scores from, which is its definition in the schema.

    `detector`: it is trained; `pretrained`: its folder comes from elsewhere;
    `external_scores`: only its scores do.
    """
    if "folder" in entry:
        return "pretrained"
    return "external_scores" if "scores" in entry else "detector"


def _disagreement_name(entry: Config) -> str:
    name: str = entry.get("name", f"{entry['right']}_not_{entry['wrong']}")
    return name


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
    """A checked study file, resolved.

    Attributes:
        written: the study file as it was given, its sections in the order of the schema.
        config: the same with every grid and pattern expanded, checked.
        name: its `study` key.
        root: the folder of its results, `results/{name}`.
        layout: where everything lies in it.
        runs: run id to :class:`Run`, in the order of the study file.
        grids: name to :class:`grids.Grid`, of those whose points have error rates.
        absent: what pretrained detectors lack; empty but for `absent_detectors`.

    Args:
        config: the study file's content.
        placed: where a folder that the workflow makes is put, from where it would be by itself.
        absent_detectors: take a study whose pretrained detectors are not all there yet; they are in
            `absent`, and nothing can be planned. Otherwise they are refused.

    Raises:
        ConfigError: the content breaks the schema.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        schema_path: Path = SCHEMA,
        placed: Callable[[str], str] = str,
        absent_detectors: bool = False,
    ) -> None:
        self._schema_path = schema_path
        config = with_defaults(config)
        expanded = expand(config)
        check_config(expanded, schema_path)
        check_values(expanded)
        # The order of detectors counts, where results name them; that of the sections does not.
        sections = _schema(schema_path)["properties"]
        self.config: Config = {key: expanded[key] for key in sections if key in expanded}
        self.grids = grids_of(config)
        self.written: Config = {key: copy.deepcopy(config[key]) for key in self.config}
        self.name: str = self.config["study"]
        self.root = placed(f"results/{self.name}")
        self.seed: int = self.config["seed"]
        self.data_root = placed(self.config["data_root"])
        self.layout = Layout(self.root, self.data_root)
        self.corpora: dict[str, Config] = self.config["corpora"]
        self.copies: dict[str, Config] = self.config.get("augmented", {})
        self.runs: dict[str, Run] = {}
        self.absent: list[Absent] = []
        self._check_data_root(config["data_root"])
        self._check_fractions()
        self._check_columns()
        self._check_speakers()
        self._check_mini()
        self._check_names()
        self._check_size()
        for name in self.config["detectors"]:
            run = self._resolved(name)
            self.runs[run.id] = run
        if self.absent and not absent_detectors:
            others = len(self.absent) - 1
            more = f" (and {others} more; `spoofscope needs` lists all)" if others else ""
            raise ConfigError(f"{self.absent[0].message}{more}")
        # Asked for by every job of a large study.
        self._run_of = {run.detector: run for run in self.runs.values()}
        self._features_of = {
            run_id: self._features_id(run)
            for run_id, run in self.runs.items()
            if run.kind == "detector"
        }
        self._fusion_of = {self.fusion_id(name): name for name in self.config.get("fusion", {})}
        self._scored_by = {
            **{run_id: self._sets_of(run.detector) for run_id, run in self.runs.items()},
            **{fusion: self._fusion_sets(name) for fusion, name in self._fusion_of.items()},
        }
        if not self.absent:
            self._check_layers()
            self._check_averages()
        self._check_shown()

    # --- references between sections -------------------------------------------------------

    def _reference(self, name: str, section: str, where: str) -> Any:
        entries = self.config.get(section, {})
        if name not in entries:
            raise ConfigError(f"{where}: {name!r} is not in {section}; {nearest(name, entries)}")
        return entries[name]

    def _dataset(self, name: str, split: str, where: str) -> None:
        names = {**self.corpora, **self.copies}
        if name not in names:
            raise ConfigError(
                f"{where}: {name!r} is neither a corpus nor an augmented copy; "
                f"{nearest(name, names)}"
            )
        splits = names[name].get("splits")
        if splits is not None and split not in splits:
            raise ConfigError(
                f"{where}: {name!r} is used for {split}, but its `splits` are {', '.join(splits)}"
            )

    def _check_data_root(self, data_root: str) -> None:
        """`data_root`, as it is written, is a folder of its own."""
        where = f"data_root: {data_root!r}"
        if set("{}\n\r\t") & set(data_root):
            raise ConfigError(
                f"{where} holds braces, which stand for wildcards in rules, a tab or a line break"
            )
        place = os.path.normpath(data_root)
        here = os.path.relpath(place) if os.path.isabs(place) else place
        checkout = os.path.relpath(place, SCHEMA.parents[2])
        if not data_root.strip() or here == "." or checkout == ".":
            raise ConfigError(f"{where} is the folder of the workflow itself; name one below it")
        for relative in (here, checkout):
            first = Path(relative).parts[0]
            if first in _OWN_FOLDERS:
                raise ConfigError(
                    f"{where}: the folder {first} is for something else; choose another, such as "
                    "resources"
                )

    def _check_fractions(self) -> None:
        for name, entry in self.corpora.items():
            fractions = entry.get("fractions")
            if fractions is None:
                continue
            total = sum(fractions.values())
            if abs(total - 1) > 1e-6:
                raise ConfigError(f"corpora.{name}.fractions: they add up to {total:g}, not to 1")

    def _check_columns(self) -> None:
        """No corpus names a column of manifests as it was called before."""
        for name, entry in self.corpora.items():
            for option in ("columns", "values", "defaults"):
                for former in RENAMED_COLUMNS.keys() & (entry.get(option) or {}).keys():
                    raise ConfigError(
                        f"corpora.{name}.{option}.{former}: the column {former!r} of manifests is "
                        f"called {RENAMED_COLUMNS[former]!r} now; rename the key"
                    )

    def _check_speakers(self) -> None:
        for name, entry in self.corpora.items():
            speaker_pattern(entry.get("speaker"), f"corpora.{name}")

    def _check_mini(self) -> None:
        """What the schema cannot say about the options of the mini corpus."""
        for name, entry in self.corpora.items():
            options = entry.get("options", {}) if entry["type"] == "mini" else {}
            for split, sentences in options.get("sentences", {}).items():
                if sentences < options.get("spoofs", 2):
                    raise ConfigError(
                        f"corpora.{name}.options.sentences.{split}: {sentences} is less than "
                        f"`spoofs`, {options['spoofs']}"
                    )

    def _check_size(self) -> None:
        """No more jobs than can be planned; a large study has a few thousand."""
        jobs = 0
        for name, entry in self.config["detectors"].items():
            seeds = len(entry.get("seeds", [1]))
            jobs += seeds * sum(self.shards(split) for _, split in self._sets_of(name))
        if jobs > MOST_JOBS:
            raise ConfigError(
                f"the study file: detectors, seeds, `score` and `scatter_shards` make {jobs:,} "
                f"jobs of scoring, more than the {MOST_JOBS:,} that can be planned"
            )

    def _check_backbones(self) -> None:
        revision = _schema(self._schema_path)["$defs"]["backbone"]["properties"]["revision"]
        for name, entry in self.config.get("backbones", {}).items():
            where = f"backbones.{name}"
            given = [key for key in ("hub", "folder", "tiny") if key in entry]
            if len(given) != 1:
                raise ConfigError(
                    f"{where}: one of hub, folder and tiny has to be given, found "
                    f"{' and '.join(given) or 'none'}"
                )
            if given == ["hub"] and "revision" not in entry:
                raise ConfigError(
                    f"{where}: key 'revision' is missing; for {entry['hub']} it has to be "
                    f"{revision['title']}"
                )

    def _check_names(self) -> None:
        self._check_backbones()
        both = sorted(set(self.corpora) & set(self.copies))
        if both:
            raise ConfigError(f"augmented.{both[0]}: a corpus has the same name")
        for name, entry in self.copies.items():
            self._reference(entry["corpus"], "corpora", f"augmented.{name}.corpus")
            self._chain(entry["chain"], f"augmented.{name}.chain")
        for name, entry in self.config["frontends"].items():
            if "backbone" in entry:
                self._reference(entry["backbone"], "backbones", f"frontends.{name}.backbone")
        for name, entry in self.config["detectors"].items():
            where = f"detectors.{name}"
            if kind_of(entry) != "detector":
                continue
            self._reference(entry["frontend"], "frontends", f"{where}.frontend")
            for key in ("data", "dev"):
                split = "train" if key == "data" else "dev"
                for i, source in enumerate(entry["train"].get(key, [])):
                    self._dataset(source["corpus"], split, f"{where}.train.{key}[{i}].corpus")
            if not self.dev_sources(name):
                raise ConfigError(
                    f"{where}.train: key 'dev' is missing; augmented copies alone give no data "
                    "for model selection, so name the corpora"
                )
            for source in self.dev_sources(name):
                self._dataset(source["corpus"], "dev", f"{where}.train.dev")
            if "chain" in entry["train"]:
                self._chain(entry["train"]["chain"], f"{where}.train.chain")
        self._check_sets()
        for name, entry in self.config.get("fusion", {}).items():
            for i, detector in enumerate(entry["detectors"]):
                self._reference(detector, "detectors", f"fusion.{name}.detectors[{i}]")
            if not self._fusion_sets(name):
                raise ConfigError(
                    f"fusion.{name}.detectors: there are no trials that all of them score; see the "
                    "keys `score`"
                )
            self._check_scored(entry["fit"], f"fusion.{name}.fit", self._fusion_sets(name))
            if entry["fit"]["split"] == "eval":
                raise ConfigError(
                    f"fusion.{name}.fit.split: a fusion is not fitted on eval, where it is judged"
                )
            if name in self.config["detectors"]:
                raise ConfigError(f"fusion.{name}: a detector has the same name")
        attribution = self.config.get("attribution")
        if attribution:
            for i, name in enumerate(attribution["detectors"]):
                detector = self._reference(name, "detectors", f"attribution.detectors[{i}]")
                where = f"attribution.detectors[{i}]"
                baseline = attribution.get("baseline", "centroid")
                self._check_explained(name, detector, where, baseline)
                self._check_scored(attribution, "attribution", self._sets_of(name), f" by {name}")
        for i, entry in enumerate(self.config.get("artefacts", {}).get("trials", [])):
            sets = [pair for name in self.config["detectors"] for pair in self._sets_of(name)]
            self._check_scored(entry, f"artefacts.trials[{i}]", sets)
        self._check_judgements()

    def _check_shown(self) -> None:
        names = self.config.get("figures", {}).get("systems", [])
        systems = {**self.config["detectors"], **self.config.get("fusion", {})}
        for i, name in enumerate(names):
            if name not in systems:
                raise ConfigError(
                    f"figures.systems[{i}]: {name!r} is neither a detector nor a fusion; "
                    f"{nearest(name, systems)}"
                )
        if names and len(self.shown()) > MOST_SHOWN:
            raise ConfigError(
                f"figures.systems: with their seeds these are {len(self.shown())}; figures can "
                f"show {MOST_SHOWN}"
            )

    def _check_judgements(self) -> None:
        """What is asked about scores: comparisons, reliability, tandem costs, exports."""
        resamples = self.config.get("bootstrap", {}).get("resamples", 0)
        check_resamples(resamples, "bootstrap.resamples")
        fusions = self.config.get("fusion", {})
        systems = {**self.config["detectors"], **fusions}
        for section in ("comparisons", "reliability", "exports", "generators"):
            for i, name in enumerate(self.config.get(section, {}).get("systems", [])):
                if name not in systems:
                    raise ConfigError(
                        f"{section}.systems[{i}]: {name!r} is neither a detector nor a fusion; "
                        f"{nearest(name, systems)}"
                    )
        sets = [pair for name in self.config["detectors"] for pair in self._sets_of(name)]
        for i, entry in enumerate(self.config.get("tdcf", [])):
            self._check_scored(entry, f"tdcf[{i}]", sets)
            if len({"scores", "rates"} & set(entry)) != 1:
                raise ConfigError(
                    f"tdcf[{i}]: either the file `scores` of the speaker verifier or its `rates` "
                    "have to be given"
                )
        for i, entry in enumerate(self.config.get("exports", {}).get("trials", [])):
            self._check_scored(entry, f"exports.trials[{i}]", sets)
        self._check_generators(sets)
        self._check_disagreements()
        self._check_fingerprints()

    def _check_generators(self, sets: Iterable[tuple[str, str]]) -> None:
        section = self.config.get("generators", {})
        for i, entry in enumerate(section.get("trials", [])):
            self._check_scored(entry, f"generators.trials[{i}]", sets)
            if entry["split"] != "eval":
                raise ConfigError(
                    f"generators.trials[{i}].split: detectors were selected, and their thresholds "
                    f"chosen, on other splits than eval; {entry['split']!r} would flatter them"
                )
        trials = [(entry["corpus"], entry["split"]) for entry in section.get("trials", [])]
        for i, name in enumerate(section.get("systems", [])):
            fused = name in self.config.get("fusion", {})
            own = self._fusion_sets(name) if fused else self._sets_of(name)
            if not set(own) & set(trials):
                raise ConfigError(
                    f"generators.systems[{i}]: {name!r} scores none of generators.trials; see the "
                    "keys `score`"
                )
        if "threshold" not in section:
            return
        if section["threshold"]["split"] == "eval":
            raise ConfigError(
                "generators.threshold.split: a threshold is not chosen on eval, where it is judged"
            )
        fusions = self.config.get("fusion", {})
        for name in section.get("systems", [*self.config["detectors"], *fusions]):
            own = self._fusion_sets(name) if name in fusions else self._sets_of(name)
            self._check_scored(section["threshold"], "generators.threshold", own, f" by {name}")

    def _check_fingerprints(self) -> None:
        entry = self.config.get("fingerprints")
        if entry is None:
            return
        dataset = {**self.corpora, **self.copies}.get(entry["corpus"], {})
        for split in entry.get("splits", dataset.get("splits", ["train"])):
            self._dataset(entry["corpus"], split, "fingerprints.corpus")

    def _check_disagreements(self) -> None:
        fusions = self.config.get("fusion", {})
        systems = {**self.config["detectors"], **fusions}
        names: list[str] = []
        for i, entry in enumerate(self.config.get("disagreements", [])):
            where = f"disagreements[{i}]"
            for key in ("right", "wrong"):
                name = entry[key]
                if name not in systems:
                    raise ConfigError(
                        f"{where}.{key}: {name!r} is neither a detector nor a fusion; "
                        f"{nearest(name, systems)}"
                    )
                sets = self._fusion_sets(name) if name in fusions else self._sets_of(name)
                self._check_scored(entry, where, sets, f" by {name}")
                if "threshold" in entry:
                    self._check_scored(
                        entry["threshold"], f"{where}.threshold", sets, f" by {name}"
                    )
                elif name not in fusions and kind_of(systems[name]) != "detector":
                    raise ConfigError(
                        f"{where}: {name!r} was not trained by this study, so it has no threshold "
                        "that was chosen on development data; name scored trials for that, key "
                        "'threshold'"
                    )
            if entry.get("threshold", {}).get("split") == "eval":
                raise ConfigError(
                    f"{where}.threshold.split: a threshold is not chosen on eval, where systems "
                    "are judged"
                )
            if entry["right"] == entry["wrong"]:
                raise ConfigError(f"{where}: {entry['right']!r} cannot disagree with itself")
            name = _disagreement_name(entry)
            if name in names:
                raise ConfigError(
                    f"{where}: there is another {name!r}; give one of them another `name`"
                )
            names.append(name)

    def _check_sets(self) -> None:
        """What is scored exists, and every detector is scored on something."""
        for i, entry in enumerate(self.config.get("score", [])):
            for split in entry["splits"]:
                self._dataset(entry["corpus"], split, f"score[{i}].corpus")
        for name, detector in self.config["detectors"].items():
            where = f"detectors.{name}"
            if not {"score", "scores"} & {*detector, *self.config}:
                raise ConfigError(
                    f"the study file: key 'score' is missing; {where} has none of its own"
                )
            for i, entry in enumerate(detector.get("score", [])):
                for split in entry["splits"]:
                    self._dataset(entry["corpus"], split, f"{where}.score[{i}].corpus")
            sets = [(entry["corpus"], entry["split"]) for entry in detector.get("scores", [])]
            for i, pair in enumerate(sets):
                self._dataset(*pair, f"{where}.scores[{i}].corpus")
                if pair in sets[:i]:
                    raise ConfigError(f"{where}.scores[{i}]: {'.'.join(pair)} is there twice")
            for i, source in enumerate(detector.get("reference", [])):
                self._dataset(source["corpus"], "train", f"{where}.reference[{i}].corpus")

    def _check_explained(self, name: str, detector: Config, where: str, baseline: str) -> None:
        if kind_of(detector) == "external_scores":
            raise ConfigError(f"{where}: of {name!r} there are only scores, nothing to explain")
        untrained = kind_of(detector) == "pretrained" and "reference" not in detector
        if baseline == "centroid" and untrained:
            raise ConfigError(
                f"{where}: the baseline 'centroid' is the mean of bona fide training data, and the "
                f"study has trained none of {name!r}; name a corpus for it in "
                f"detectors.{name}.reference, or choose another baseline"
            )

    def averages(self) -> Config | None:
        """What is averaged: section `attribution.averages` with its defaults for the trials."""
        attribution = self.config.get("attribution", {})
        if "averages" not in attribution:
            return None
        return {key: attribution[key] for key in ("corpus", "split")} | attribution["averages"]

    def _check_averages(self) -> None:
        averages = self.averages()
        if averages is None:
            return
        where = "attribution.averages"
        self._dataset(averages["corpus"], averages["split"], f"{where}.corpus")
        for i, name in enumerate(averages["detectors"]):
            place = f"{where}.detectors[{i}]"
            detector = self._reference(name, "detectors", place)
            self._check_explained(name, detector, place, averages.get("baseline", "zeros"))
            settings = self.run_of(name).settings
            if settings["frontend"]["type"] not in _WITH_BANDS:
                raise ConfigError(
                    f"{place}: the front-end of {name!r}, {settings['frontend']['type']}, has no "
                    f"frequency axis; {' and '.join(_WITH_BANDS)} have"
                )
            if settings["input"].get("length", 0) is None:
                raise ConfigError(
                    f"{place}: {name!r} takes whole clips (`length: null`), which differ in "
                    "length; there is no mean over them"
                )

    def _check_layers(self) -> None:
        layers = self.config.get("layers", {})
        listed = {
            **{f"layers.curves.{name}": names for name, names in layers.get("curves", {}).items()},
            "layers.costs.detectors": layers.get("costs", {}).get("detectors", []),
        }
        for where, names in listed.items():
            for i, name in enumerate(names):
                self._reference(name, "detectors", f"{where}[{i}]")
                frontend = self.run_of(name).settings.get("frontend", {})
                self._check_ssl(frontend, f"{where}[{i}]: {name!r}")
        for name, entry in layers.get("probes", {}).items():
            where = f"layers.probes.{name}"
            frontend = self._reference(entry["frontend"], "frontends", f"{where}.frontend")
            self._check_ssl(frontend, f"{where}.frontend: {entry['frontend']!r}")
            for i, source in enumerate(entry["data"]):
                self._dataset(source["corpus"], "train", f"{where}.data[{i}].corpus")
            if not self.probe_dev(name):
                raise ConfigError(
                    f"{where}: key 'dev' is missing; augmented copies alone give no data to "
                    "choose the regularisation on, so name the corpora"
                )
            for i, source in enumerate(self.probe_dev(name)):
                self._dataset(source["corpus"], "dev", f"{where}.dev[{i}].corpus")
            for i, trials in enumerate(entry.get("score", [])):
                for split in trials["splits"]:
                    self._dataset(trials["corpus"], split, f"{where}.score[{i}].corpus")

    @staticmethod
    def _check_ssl(frontend: Config, what: str) -> None:
        if frontend.get("type") != "ssl":
            raise ConfigError(f"{what} has no layers; an SSL front-end is needed (`type: ssl`)")

    @staticmethod
    def _check_scored(
        trials: Config, where: str, sets: Iterable[tuple[str, str]], by: str = ""
    ) -> None:
        if (trials["corpus"], trials["split"]) not in sets:
            raise ConfigError(
                f"{where}: {trials['corpus']}.{trials['split']} is not scored{by}; "
                "add it to the `score` section"
            )

    def _chain(self, name: str, where: str) -> Config:
        """The steps of a chain with the identity of the noise that they use."""
        steps: list[Config] = self._reference(name, "chains", where)
        needs = {"musan": "musan", "rir": "rirs"}
        sources = {}
        for step in steps:
            source = needs.get(step["effect"])
            if source:
                noise = self.config.get("noise", {})
                if source not in noise:
                    raise ConfigError(
                        f"chains.{name}: effect {step['effect']!r} needs the folder noise.{source}"
                    )
                sources[source] = self._without_location(noise[source])
        return {"steps": copy.deepcopy(steps), "sources": sources}

    @staticmethod
    def _without_location(entry: Config) -> Config:
        # Where data lie on this machine is no part of what they are.
        return {key: value for key, value in entry.items() if key not in ("path", "segments")}

    # --- data ------------------------------------------------------------------------------

    def corpus_identity(self, name: str) -> Config:
        """What determines a corpus: its settings without its location, or the copy's recipe."""
        if name in self.copies:
            entry = self.copies[name]
            return {
                "copy": name,
                "corpus": self.corpus_identity(entry["corpus"]),
                "chain": self._chain(entry["chain"], f"augmented.{name}.chain"),
                "splits": entry["splits"],
                "sample_rate": entry.get("sample_rate", 16000),
                "seed": self.seed,
            }
        entry = self.corpora[name]
        identity = {"corpus": name, **self._without_location(entry)}
        return {**identity, "seed": self.seed} if entry["type"] == "mini" else identity

    def generated(self, entry: Config) -> Config:
        """The parameters of a generated corpus: everything its files depend on."""
        return {"type": entry["type"], "options": entry.get("options", {}), "seed": self.seed}

    def corpus_root(self, name: str) -> str:
        """The folder that holds a corpus."""
        entry = self.corpora[name]
        if entry["type"] == "mini":
            return self.layout.generated_corpus(hash8(self.generated(entry)))
        if "archives" in entry:
            folder = self.layout.unpacked(hash8(entry["archives"]))
            return f"{folder}/{entry['subfolder']}" if "subfolder" in entry else folder
        return str(entry["path"])

    def corpus_marker(self, name: str) -> list[str]:
        """Files whose presence says that a generated or downloaded corpus is complete."""
        entry = self.corpora[name]
        if entry["type"] == "mini":
            return [self.layout.generated_file(hash8(self.generated(entry)), "protocol.tsv")]
        if "archives" in entry:
            return [self.layout.unpacked_list(hash8(entry["archives"]))]
        return []

    def has_segments(self, name: str) -> bool:
        """Whether a corpus, or the corpus behind a copy, says where its artefacts are."""
        if name in self.copies:
            return self.has_segments(self.copies[name]["corpus"])
        entry = self.corpora[name]
        return entry["type"] in _WITH_SEGMENTS or bool(entry.get("segments", False))

    def noise_root(self, kind: str) -> str:
        """The folder in MUSAN's (`musan`) or RIRS_NOISES' (`rirs`) layout."""
        entry = self.config["noise"][kind]
        if "path" in entry:
            return str(entry["path"])
        return self.layout.generated_noise(self.generated_noise(kind))

    def generated_noise(self, kind: str) -> str:
        """`{digest}/{kind}` of a folder of noise that is generated."""
        return f"{hash8({'seed': self.seed, **self.config['noise'][kind]})}/{kind}"

    def shards(self, split: str) -> int:
        """How many parts the work on one split is cut into."""
        return int(self.config["scatter_shards"].get(split, 1))

    def shard_names(self, split: str) -> list[str]:
        """The names of these parts, such as `1-of-4`."""
        count = self.shards(split)
        return [f"{i}-of-{count}" for i in range(1, count + 1)]

    def _sets_of(self, detector: str) -> list[tuple[str, str]]:
        entry = self.config["detectors"][detector]
        if kind_of(entry) == "external_scores":
            return [(scores["corpus"], scores["split"]) for scores in entry["scores"]]
        sets = entry.get("score", self.config.get("score"))
        return list(
            dict.fromkeys((entry["corpus"], split) for entry in sets for split in entry["splits"])
        )

    def _fusion_sets(self, name: str) -> list[tuple[str, str]]:
        first, *others = map(self._sets_of, self.config["fusion"][name]["detectors"])
        return [pair for pair in first if all(pair in sets for sets in others)]

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
        return [self._first(name) for name in names]

    def _first(self, name: str) -> tuple[str, int]:
        """(id, seed) of a detector, with its first seed, or of a fusion."""
        if name in self.config.get("fusion", {}):
            return self.fusion_id(name), 0
        run = self.run_of(name)
        return run.id, run.seeds[0]

    def disagreements(self) -> dict[str, Config]:
        """Name to entry of every disagreement that is looked for; `right` and `wrong` are [id,
        seed, name].
        """
        return {
            _disagreement_name(entry): {
                **{key: entry[key] for key in ("corpus", "split")},
                **{key: entry[key] for key in ("clips", "seconds", "threshold") if key in entry},
                **{key: [*self._first(entry[key]), entry[key]] for key in ("right", "wrong")},
            }
            for entry in self.config.get("disagreements", [])
        }

    def tandem(self, corpus: str, split: str) -> Config | None:
        """The entry of `tdcf` for one scored set, None without one."""
        entries = self.config.get("tdcf", [])
        return next((e for e in entries if (e["corpus"], e["split"]) == (corpus, split)), None)

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

    def _frontend_identity(self, name: str) -> Config:
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
        return bool(self.config["frontends"][name].get("fine_tune", "none") == "none")

    def _resolved(self, name: str) -> Run:
        entry = self.config["detectors"][name]
        kind = kind_of(entry)
        if kind == "pretrained":
            settings = self._pretrained(name, entry)
            # Where the folder lies is no part of what it holds.
            return Run(f"{name}-{hash8(settings['sha256'])}", name, kind, settings, (0,))
        if kind == "external_scores":
            settings = {"scores": copy.deepcopy(entry["scores"])}
            return Run(f"{name}-{hash8(settings)}", name, kind, settings, (0,))
        settings = self._run_settings(name)
        identity = {**settings, "frontend": self._frontend_identity(entry["frontend"])}
        seeds = tuple(entry.get("seeds", [1]))
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
            absent(
                "detector",
                entry["folder"],
                f"{entry['folder']} is no detector folder: it has no detector.json; "
                "`spoofscope import` makes one of published weights, and a study has one per "
                "detector and seed",
            )
            return nothing
        except OSError as error:
            absent("detector", entry["folder"], f"{path} cannot be read: {error.strerror}")
            return nothing
        try:
            told = read_settings(path)
            settings = {
                key: told[key] for key in ("frontend", "backend", "input", "weights_sha256")
            }
            folder = (settings["frontend"].get("backbone") or {}).get("folder")
            sources = told["meta"].get("trained_on", [])
            trained_on = [Path(source["manifest"]).stem for source in sources]
            if not isinstance(folder, str | None):
                raise TypeError(f"the folder of its backbone must be a text, not {folder!r}")
        except DetectorError as error:
            absent("detector", entry["folder"], str(error))
            return nothing
        except (KeyError, TypeError, AttributeError) as error:
            absent("detector", entry["folder"], f"{path} describes no detector: {error!r}")
            return nothing
        made = {self.backbone_folder(backbone) for backbone in self.config.get("backbones", {})}
        if folder is not None and folder not in made and not os.path.isdir(folder):
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
        entry = self.config["detectors"][name]
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
            settings["chain"] = self._chain(train["chain"], f"detectors.{name}.train.chain")
            settings["chain"]["seed"] = self.seed
        if "abstain" in entry:
            settings["abstain"] = entry["abstain"]
        if "aggregate" in entry:
            aggregate = copy.deepcopy(entry["aggregate"])
            if (aggregate["method"] == "top_k") != ("k" in aggregate):
                raise ConfigError(
                    f"detectors.{name}.aggregate: method top_k needs k, and the others have none"
                )
            settings["aggregate"] = aggregate
        return settings

    def _recipe(self, name: str) -> Config:
        """A detector's recipe; a preset in it stands there with its values."""
        entry = self.config["detectors"][name]
        where = f"detectors.{name}.train.recipe"
        recipe = with_values(entry["train"].get("recipe", {}), where)
        parts = [recipe, *recipe.get("stages", [])]
        if recipe.get("preset") is not None:
            _check_preset(recipe["preset"]["name"], self._schema_path)
            values = recipe["preset"]["values"]
            parts += [values, *values.get("stages", [])]
        tuned = any(part.get("lr_frontend") is not None for part in parts)
        if tuned and self.is_frozen(entry["frontend"]):
            raise ConfigError(
                f"{where}: it has a learning rate for the front-end (lr_frontend), but "
                f"frontends.{entry['frontend']} has nothing to train; set its key `fine_tune`"
            )
        return recipe

    def trained_on(self, detector: str) -> list[str]:
        """Names of what a detector was trained on, for people; of what was trained elsewhere only
        what its folder tells.
        """
        run = self.run_of(detector)
        if run.kind != "detector":
            return run.settings.get("trained_on") or ["elsewhere"]
        sources = self.config["detectors"][detector]["train"]["data"]
        return [_source_text(source) for source in sources]

    def train_sources(self, detector: str) -> list[Config]:
        """What a detector is trained on; of a pretrained one its `reference`, if it has one."""
        entry = self.config["detectors"][detector]
        if kind_of(entry) != "detector":
            return list(entry.get("reference", []))
        return list(entry["train"]["data"])

    def dev_sources(self, detector: str) -> list[Config]:
        """Where a detector's model selection happens; by default the corpora it is trained on."""
        train = self.config["detectors"][detector]["train"]
        explicit: list[Config] | None = train.get("dev")
        if explicit is not None:
            return explicit
        return [source for source in train["data"] if source["corpus"] in self.corpora]

    def _source(self, source: Config) -> Config:
        return {**source, "corpus": self.corpus_identity(source["corpus"])}

    def run(self, run_id: str) -> Run:
        """The run of that id.

        Raises:
            ConfigError: the study file does not define it (it was edited meanwhile, or the id is
                from another study).
        """
        if run_id not in self.runs:
            raise ConfigError(
                f"the study file defines no run {run_id!r}; was it edited while jobs were "
                f"waiting? {nearest(run_id, self.runs)}"
            )
        return self.runs[run_id]

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
        if self.run(run_id).kind != "detector":
            return False
        name = self.config["detectors"][self.run(run_id).detector]["frontend"]
        frontend = self.config["frontends"][name]
        # The features of `raw` are eight times as large as the audio, and sooner made than read.
        default = "none" if frontend["type"] == "raw" else "framewise"
        return self.is_frozen(name) and frontend.get("cache", default) != "none"

    def features_id(self, run_id: str) -> str:
        """`{frontend}-{hash8}` of the cached features that a run reads."""
        return self._features_of[self.run(run_id).id]

    def _features_id(self, run: Run) -> str:
        name = self.config["detectors"][run.detector]["frontend"]
        identity = {
            "frontend": self._frontend_identity(name),
            "input": run.settings["input"],
        }
        return f"{name}-{hash8(identity)}"

    def features(self, features_id: str) -> Config:
        """Front-end and input settings behind a features id."""
        for run_id, own in self._features_of.items():
            if own == features_id:
                run = self.runs[run_id]
                return {"frontend": run.settings["frontend"], "input": run.settings["input"]}
        raise ConfigError(f"the study file defines no features {features_id!r}")

    def trains_on_features(self, run_id: str) -> bool:
        """Whether the training reads cached features (it cannot when it augments on the fly)."""
        return self.is_cached(run_id) and "chain" not in self.run(run_id).settings

    # --- layers ----------------------------------------------------------------------------

    def probe_settings(self, name: str) -> Config:
        """Front-end and input of a probe; a front-end that detectors tune is probed as it was
        before.
        """
        entry = self.config["layers"]["probes"][name]
        frontend = self.frontend(entry["frontend"])
        return {
            "frontend": self._untuned(frontend),
            "input": copy.deepcopy(entry.get("input", {})),
        }

    def pool_id(self, name: str) -> str:
        """`{frontend}-{hash8}` of the pooled layers that a probe reads; equal to the id of cached
        features where detectors of the study read the same front-end frame by frame.
        """
        entry = self.config["layers"]["probes"][name]
        frontend = self._untuned(self._frontend_identity(entry["frontend"]))
        return (
            f"{entry['frontend']}-{hash8({'frontend': frontend, 'input': entry.get('input', {})})}"
        )

    def probe_dev(self, name: str) -> list[Config]:
        """Where a probe's regularisation is chosen; by default the corpora it is trained on."""
        entry = self.config["layers"]["probes"][name]
        explicit: list[Config] | None = entry.get("dev")
        if explicit is not None:
            return explicit
        return [source for source in entry["data"] if source["corpus"] in self.corpora]

    @staticmethod
    def _untuned(frontend: Config) -> Config:
        dropped = {"cache"}
        if frontend.get("fine_tune", "none") != "none":
            dropped |= {"fine_tune", "top_layers"}
        return {key: value for key, value in frontend.items() if key not in dropped}

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
            "method": entry.get("method", "logistic"),
            "fit": entry["fit"],
            "members": [[run_id, seed] for run_id, seed in self.fusion_members(name)],
        }

    def fusion_id(self, name: str) -> str:
        """`{fusion}-{hash8}`."""
        return f"{name}-{hash8(self.fusion_settings(name))}"

    def fusion_of(self, fusion_id: str) -> str:
        """The name of the fusion with that id."""
        if fusion_id not in self._fusion_of:
            raise ConfigError(f"the study file defines no fusion {fusion_id!r}")
        return self._fusion_of[fusion_id]

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
