"""What the names in a study file stand for; a name that stands for nothing is refused."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from spoofscope.distribution import PUBLISHED, of_noise, of_reader, verified_archives
from spoofscope.errors import ConfigError
from spoofscope.names import reserved
from spoofscope.options import nearest
from spoofscope.options.components import KINDS
from spoofscope.options.corpora.base import CorpusOptions
from spoofscope.options.corpora.tts import TtsOptions
from spoofscope.options.trials import Split
from spoofscope.study.schema import Config, kind_of, schema

_OF_TRANSFER = ("file", "mirrors", "size")
_SPLITS: tuple[str, ...] = get_args(Split)
_KINDS_OF_NAMES = {"systems": "detector, fusion or tracer", "corpora": "corpus or augmented copy"}


class References:
    """The names that sections of a study file give each other.

    Attributes:
        corpora, copies, detectors, tracers, fusions: the sections `corpora`, `augmented`,
            `detectors`, `tracers` and `fusion`; empty where the study has none.
        datasets: corpora and copies. systems: detectors and fusions.

    Args:
        config: a study file's content that fits the schema, every grid and pattern expanded, with
            all defaults.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self.corpora: Config = config["corpora"]
        self.copies: Config = config["augmented"]
        self.detectors: Config = config["detectors"]
        self.tracers: Config = config["tracers"]
        self.fusions: Config = config["fusion"]
        self.datasets: Config = {**self.corpora, **self.copies}
        self.systems: Config = {**self.detectors, **self.fusions}

    # --- looking up ------------------------------------------------------------------------
    # `where` is the place in the study file that a message is about, such as `score[0].corpus`.

    def entry(self, name: str, section: str, where: str) -> Any:
        """The entry of that name in a section.

        Raises:
            ConfigError: there is none.
        """
        entries = self._config.get(section, {})
        if name not in entries:
            raise ConfigError(f"{where}: {name!r} is not in {section}; {nearest(name, entries)}")
        return entries[name]

    def check_dataset(self, name: str, split: str, where: str) -> None:
        """Refuse what is no corpus and no copy, or has no such split."""
        if name not in self.datasets:
            raise ConfigError(
                f"{where}: {name!r} is neither a corpus nor an augmented copy; "
                f"{nearest(name, self.datasets)}"
            )
        splits = self.datasets[name].get("splits")
        if splits is not None and split not in splits:
            raise ConfigError(
                f"{where}: {name!r} is used for {split}, but its `splits` are {', '.join(splits)}"
            )
        corpus = self.corpus_of(name)
        options = self.corpus_options(corpus)
        if split in self.empty_splits(corpus):
            if isinstance(options, TtsOptions) and options.fractions is None:
                options = self.corpus_options(options.human)
            raise ConfigError(
                f"{where}: {name!r} is used for {split}, but nothing of it is {split}; "
                f"{options.filled_by}"
            )

    def check_source(self, source: Config, split: str, where: str) -> None:
        """Refuse a source that is trained or selected on, and names what is not there."""
        self.check_dataset(source["corpus"], split, f"{where}.corpus")
        options = self.corpus_options(self.corpus_of(source["corpus"]))
        places = {"attacks": [split], "exclude_attacks": list(_SPLITS)}
        for key, splits in places.items():
            known = [options.attacks_of(each) for each in splits]
            there = sorted({attack for own in known if own is not None for attack in own})
            for attack in source.get(key, ()):
                if None not in known and attack not in there:
                    raise ConfigError(
                        f"{where}.{key}: {source['corpus']!r} has no attack {attack!r} in "
                        f"{' or '.join(splits)}; {nearest(attack, there)}"
                    )

    def corpus_of(self, name: str) -> str:
        """The corpus itself, or that which a copy is of."""
        return str(self.copies[name]["corpus"]) if name in self.copies else name

    def corpus_options(self, corpus: str) -> CorpusOptions:
        """What the reader of a corpus was told."""
        options = KINDS["corpus"].options(self.corpora[corpus], f"corpora.{corpus}")
        assert isinstance(options, CorpusOptions)
        return options

    def empty_splits(self, corpus: str) -> frozenset[str]:
        """The splits of a corpus that are known to have no clip before it is read."""
        options = self.corpus_options(corpus)
        if not isinstance(options, TtsOptions) or options.fractions is not None:
            return options.empty_splits
        # It has the splits of its recordings.
        human = self.corpus_options(options.human)
        return human.empty_splits | ({*_SPLITS} - {*(human.splits or _SPLITS)})

    def check_scored_splits(self, trials: Iterable[Config], where: str) -> None:
        """Refuse a list of `corpus` and `splits` that names what is not there."""
        for i, entry in enumerate(trials):
            for split in entry["splits"]:
                self.check_dataset(entry["corpus"], split, f"{where}[{i}].corpus")

    def check_system(self, name: str, where: str) -> None:
        """Refuse what is no detector and no fusion."""
        if name not in self.systems:
            raise ConfigError(
                f"{where}: {name!r} is neither a detector nor a fusion; "
                f"{nearest(name, self.systems)}"
            )

    def check_systems(self, section: str) -> None:
        """Refuse names in a section's list `systems` that are no system."""
        for i, name in enumerate(self._config.get(section, {}).get("systems", [])):
            self.check_system(name, f"{section}.systems[{i}]")

    def check_scored(self, trials: Config, where: str, system: str | None = None) -> None:
        """Refuse trials that a system, or by default any detector, is not scored on."""
        names = self.detectors if system is None else [system]
        pair = (trials["corpus"], trials["split"])
        if not any(pair in self.sets_of(name) for name in names):
            by = "" if system is None else f" by {system}"
            raise ConfigError(
                f"{where}: {'.'.join(pair)} is not scored{by}; add it to the `score` section"
            )

    def sets_of(self, system: str) -> list[tuple[str, str]]:
        """Every (corpus, split) that a detector is scored on; a fusion is where all its members
        are.
        """
        if system in self.fusions:
            first, *others = map(self.sets_of, self.fusions[system]["detectors"])
            return [pair for pair in first if all(pair in sets for sets in others)]
        entry = self.detectors[system]
        if kind_of(entry) == "external_scores":
            return [(scores["corpus"], scores["split"]) for scores in entry["scores"]]
        sets = entry.get("score", self._config.get("score"))
        return list(
            dict.fromkeys((entry["corpus"], split) for entry in sets for split in entry["splits"])
        )

    def dev_of(self, training: Config) -> list[Config]:
        """The sources on which what is trained is selected: those of its key `dev`, by default the
        corpora it is trained on, without augmented copies.
        """
        explicit: list[Config] | None = training.get("dev")
        if explicit is not None:
            return explicit
        return [source for source in training["data"] if source["corpus"] in self.corpora]

    def chain(self, name: str, where: str) -> Config:
        """The steps of a chain with the identity of the noise that they use."""
        steps: list[Config] = self.entry(name, "chains", where)
        needs = {"musan": ["musan"], "rir": ["rirs"], "stacked": ["musan", "rirs"]}
        sources = {}
        for step in steps:
            for source in needs.get(step["effect"], []):
                noise = self._config["noise"]
                if source not in noise:
                    raise ConfigError(
                        f"chains.{name}: effect {step['effect']!r} needs the folder noise.{source}"
                    )
                sources[source] = without_location(noise[source])
        return {"steps": copy.deepcopy(steps), "sources": sources}

    # --- checking --------------------------------------------------------------------------

    def check(self) -> None:
        """Refuse names that nothing defines, as far as runs and systems are made of them; those of
        analyses are checked by their stages, see `plan`.

        Raises:
            ConfigError: the message names the place, the name and the nearest that is defined.
        """
        self._check_backbones()
        both = sorted(set(self.corpora) & set(self.copies))
        if both:
            raise ConfigError(f"augmented.{both[0]}: a corpus has the same name")
        for name, entry in self.corpora.items():
            if entry["type"] == "tts":
                human = self.entry(entry["human"], "corpora", f"corpora.{name}.human")
                if human["type"] == "tts":
                    raise ConfigError(
                        f"corpora.{name}.human: {entry['human']!r} is made by synthesizers itself; "
                        "name a corpus of recordings"
                    )
                self._check_spoken(name, entry["human"])
        for name, entry in self.copies.items():
            self.entry(entry["corpus"], "corpora", f"augmented.{name}.corpus")
            self.chain(entry["chain"], f"augmented.{name}.chain")
        for name, entry in self._config["frontends"].items():
            if "backbone" in entry:
                where = f"frontends.{name}.backbone"
                if "head" in self.entry(entry["backbone"], "backbones", where):
                    raise ConfigError(
                        f"{where}: {entry['backbone']!r} is a recogniser for aligners; front-ends "
                        "take the same backbone without the key `head`"
                    )
        for name, entry in self.detectors.items():
            if kind_of(entry) == "detector":
                self._check_training(entry, f"detectors.{name}")
        for name, entry in self.tracers.items():
            self._check_training(entry, f"tracers.{name}")
            for other, section in ((self.detectors, "detectors"), (self.fusions, "fusion")):
                if name in other:
                    raise ConfigError(f"tracers.{name}: {section}.{name} has the same name")
        self._check_scored_sets()
        for name, entry in self.fusions.items():
            for i, detector in enumerate(entry["detectors"]):
                self.entry(detector, "detectors", f"fusion.{name}.detectors[{i}]")
            if name in self.detectors:
                raise ConfigError(f"fusion.{name}: a detector has the same name")
        self._check_names()

    def _check_spoken(self, name: str, human: str) -> None:
        """Refuse what could not be read when all is spoken, which takes minutes."""
        options, recordings = self.corpus_options(name), self.corpus_options(human)
        assert isinstance(options, TtsOptions)
        if recordings.spoofs_alone:
            raise ConfigError(
                f"corpora.{name}.human: {human!r} has no bona fide speech; name a corpus that has"
            )
        # Every split that a corpus lists has clips, or it is refused when it is read.
        if options.fractions is None and recordings.splits is not None:
            options.check_voices(f"corpora.{name}", recordings.splits)
        for split in options.splits or ():
            if split in self.empty_splits(name):
                raise ConfigError(
                    f"corpora.{name}.splits: nothing of {human!r}, whose splits it has, is "
                    f"{split}; deal its speakers anew (key `fractions`)"
                )

    def _check_names(self) -> None:
        """Names for people stand for something, and for one thing only."""
        names: Config = self._config["names"]
        there = {"systems": {**self.systems, **self.tracers}, "corpora": self.datasets}
        for kind, entries in there.items():
            for name in names[kind]:
                if name not in entries:
                    raise ConfigError(
                        f"names.{kind}.{name}: there is no such {_KINDS_OF_NAMES[kind]}; "
                        f"{nearest(name, entries)}"
                    )
        if "attack" in names["levels"]:
            raise ConfigError("names.levels.attack: write the names of attacks in names.attacks")
        kinds = {kind: names[kind] for kind in ("systems", "corpora", "attacks", "conditions")}
        kinds |= {f"levels.{condition}": each for condition, each in names["levels"].items()}
        for kind, shown in kinds.items():
            for name, text in shown.items():
                if (word := reserved(text)) is not None:
                    raise ConfigError(
                        f"names.{kind}.{name}: {text!r} cannot be a name, because {word!r} has a "
                        "meaning of its own in tables and figures"
                    )
                others = {
                    other: shown.get(other, other) for other in {**there.get(kind, {}), **shown}
                }
                twins = [other for other, its in others.items() if its == text and other != name]
                if twins:
                    raise ConfigError(
                        f"names.{kind}.{name}: {twins[0]!r} is shown as {text!r}, too; two that "
                        "differ need names that do"
                    )

    def _check_backbones(self) -> None:
        revision = schema()["$defs"]["backbone"]["properties"]["revision"]
        for name, entry in self._config["backbones"].items():
            where = f"backbones.{name}"
            given = [key for key in ("hub", "folder", "tiny") if key in entry]
            if len(given) != 1:
                raise ConfigError(
                    f"{where}: one of hub, folder and tiny has to be given, found "
                    f"{' and '.join(given) or 'none'}"
                )
            if "head" in entry and entry["family"] == "w2v_bert":
                raise ConfigError(
                    f"{where}.head: aligners take no recognisers of the family w2v_bert, only "
                    "those that hear waveforms"
                )
            if given == ["hub"] and "revision" not in entry:
                raise ConfigError(
                    f"{where}: key 'revision' is missing; for {entry['hub']} it has to be "
                    f"{revision['title']}"
                )

    def _check_training(self, entry: Config, where: str) -> None:
        train = entry["train"]
        self.entry(entry["frontend"], "frontends", f"{where}.frontend")
        for key, split in (("data", "train"), ("dev", "dev")):
            for i, source in enumerate(train.get(key, [])):
                self.check_source(source, split, f"{where}.train.{key}[{i}]")
        sources = self.dev_of(train)
        if not sources:
            raise ConfigError(
                f"{where}.train: key 'dev' is missing; augmented copies alone give no data for "
                "model selection, so name the corpora"
            )
        for source in sources:
            self.check_dataset(source["corpus"], "dev", f"{where}.train.dev")
        if "chain" in train:
            self.chain(train["chain"], f"{where}.train.chain")
        elif "chain_classes" in train:
            raise ConfigError(
                f"{where}.train.chain_classes: there is no chain that these classes could go "
                "through; name one (key `chain`)"
            )

    def _check_scored_sets(self) -> None:
        """What is scored exists, and every detector is scored on something."""
        self.check_scored_splits(self._config.get("score", []), "score")
        for name, detector in self.detectors.items():
            where = f"detectors.{name}"
            if not {"score", "scores"} & {*detector, *self._config}:
                raise ConfigError(
                    f"the study file: key 'score' is missing; {where} has none of its own"
                )
            self.check_scored_splits(detector.get("score", []), f"{where}.score")
            sets = [(entry["corpus"], entry["split"]) for entry in detector.get("scores", [])]
            for i, pair in enumerate(sets):
                self.check_dataset(*pair, f"{where}.scores[{i}].corpus")
                if pair in sets[:i]:
                    raise ConfigError(f"{where}.scores[{i}]: {'.'.join(pair)} is there twice")
            for i, source in enumerate(detector.get("reference", [])):
                self.check_source(source, "train", f"{where}.reference[{i}]")


def without_location(entry: Config) -> Config:
    """An entry of `corpora` or `noise` without where its data lie on this machine, which is no part
    of what they are.
    """
    kept = {key: value for key, value in entry.items() if key not in ("path", "segments")}
    if "archives" in kept:
        kept["archives"] = contents_of(kept["archives"])
    return kept


def contents_of(archives: Sequence[Config]) -> list[Config]:
    """Archives without what changes nothing about their content, such as sizes and mirrors."""
    return [
        {key: value for key, value in archive.items() if key not in _OF_TRANSFER}
        for archive in archives
    ]


def transfer_of(checksum: str, corpora: Mapping[str, Any]) -> Config:
    """What helps to fetch an archive: `size`, `file` and `mirrors`, as far as they are known.

    Args:
        checksum: of the archive.
        corpora: the section of the study file, as it is written.
    """
    written = [
        archive
        for entry in corpora.values()
        if isinstance(entry.get("archives"), list)
        for archive in entry["archives"]
    ]
    for archive in [*written, *verified_archives()]:
        if checksum_of(archive) == checksum:
            return {key: archive[key] for key in _OF_TRANSFER if key in archive}
    return {}


def used_by(archives: Sequence[Config], config: Mapping[str, Any]) -> list[str]:
    """The entries of a study file that use archives, such as `corpora.la` or `noise.musan`.

    Args:
        archives: all that such an entry lists.
        config: the study file, as it is written.
    """
    published = {
        **{f"corpora.{name}": of_reader(one["type"]) for name, one in config["corpora"].items()},
        **{f"noise.{kind}": of_noise(kind) for kind in config.get("noise", {})},
    }
    wanted = [checksum_of(archive) for archive in archives]
    found = []
    for where, distribution in published.items():
        section, name = where.split(".", 1)
        listed = config[section][name].get("archives", [])
        if listed == PUBLISHED:
            parts = () if distribution is None else distribution.parts
            listed = [part.archive() for part in parts if part.verified]
        if isinstance(listed, list) and list(map(checksum_of, listed)) == wanted:
            found.append(where)
    return found


def checksum_of(archive: Config) -> str:
    """The checksum of an archive: 64 hexadecimal digits of SHA-256, or 32 of MD5."""
    return str(archive["sha256"] if "sha256" in archive else archive["md5"])
