"""The table that holds detectors against generators."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from spoofscope.errors import ConfigError
from spoofscope.identity import hash8
from spoofscope.layout import Scoring
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, Product, Stage
from spoofscope.plan.layers import family_name
from spoofscope.plan.materials import Material, material
from spoofscope.plan.scoring import NO_SHOWN, Scores
from spoofscope.study import MOST_SHOWN, Config, Study

NO_GENERATORS = (
    "no detectors are tested on generators (section `generators`), or there are more than a "
    "figure can show (key `generators.systems`)"
)


def _check_threshold(study: Study, section: Config) -> None:
    trials = section["threshold"]
    if trials["split"] == "eval":
        raise ConfigError(
            "generators.threshold.split: a threshold is not chosen on eval, where it is judged"
        )
    for name in section.get("systems", study.references.systems):
        study.references.check_scored(trials, "generators.threshold", name)


class Generators(Stage):
    """What the section `generators` asks for."""

    @staticmethod
    def check(study: Study) -> None:
        """Which systems are held against generators, on which trials, with which threshold."""
        section = study.config.get("generators", {})
        study.references.check_systems("generators")
        trials = section.get("trials", [])
        for i, entry in enumerate(trials):
            study.references.check_scored(entry, f"generators.trials[{i}]")
            if entry["split"] != "eval":
                raise ConfigError(
                    f"generators.trials[{i}].split: detectors were selected, and their thresholds "
                    f"chosen, on other splits than eval; {entry['split']!r} would flatter them"
                )
        sets = {(entry["corpus"], entry["split"]) for entry in trials}
        for i, name in enumerate(section.get("systems", [])):
            if not sets & set(study.references.sets_of(name)):
                raise ConfigError(
                    f"generators.systems[{i}]: {name!r} scores none of generators.trials; see the "
                    "keys `score`"
                )
        if "threshold" in section:
            _check_threshold(study, section)

    def __init__(self, context: Context, data: Augmentation, scoring: Scores) -> None:
        super().__init__(context)
        self._data = data
        self._scoring = scoring
        self._options: Config = self.study.config.get("generators", {})
        self._fusions = self.study.references.fusions

    @cached_property
    def names(self) -> list[str]:
        """Names of the detectors and fusions that are held against generators."""
        if not self._options:
            return []
        names: list[str] = self._options.get("systems", list(self.study.references.systems))
        return names

    @cached_property
    def systems(self) -> list[tuple[str, str, int]]:
        """(name, id, seed) of these, with all seeds."""
        ids = {self.study.run_of(name).id: name for name in self.study.config["detectors"]}
        ids |= self._scoring.fusions
        return [
            (ids[system], system, seed)
            for system, seed in self.study.systems()
            if ids[system] in self.names
        ]

    @cached_property
    def _sets(self) -> list[tuple[str, str]]:
        return [(entry["corpus"], entry["split"]) for entry in self._options.get("trials", [])]

    @property
    def _chosen_on(self) -> Config | None:
        """The trials that thresholds are chosen on; None where each system has its own."""
        return self._options.get("threshold")

    # --- what systems were trained on ------------------------------------------------------

    def _data_of(self, corpus: str) -> str:
        """Which audio a corpus or a copy holds: corpora of the same data share generators.

        It is the name of the first corpus there: a place would make results stale when data move.
        """
        if corpus in self.study.copies:
            return self._data_of(self.study.copies[corpus]["corpus"])
        root = Path(self.study.corpus_root(corpus))
        return next(
            name
            for name in self.study.config["corpora"]
            if Path(self.study.corpus_root(name)) == root
        )

    def _described_sources(self, sources: Iterable[Config]) -> list[Config]:
        chosen = ("attacks", "exclude_attacks")
        return [
            {
                "manifest": self._data.manifest(source["corpus"]),
                "data": self._data_of(source["corpus"]),
                **{key: source[key] for key in chosen if key in source},
            }
            for source in sources
        ]

    def _sources(self, name: str, kind: str) -> list[Config] | None:
        """What a detector was trained or selected on, of a fusion what its members were; None where
        that is not known.
        """
        sources: list[Config] = []
        fusion = self._fusions.get(name)
        for member in fusion["detectors"] if fusion else [name]:
            if self.study.run_of(member).kind != "detector":
                return None
            of_kind = self.study.train_sources if kind == "train" else self.study.dev_sources
            sources += self._described_sources(of_kind(member))
        if fusion and fusion["fit"]["split"] == kind:
            sources += self._described_sources([{"corpus": fusion["fit"]["corpus"]}])
        return sources

    def _families(self) -> dict[str, str]:
        """Name to the name of its family: those that differ from it in nothing but their data."""
        families: dict[str, list[str]] = {}
        for name in self.names:
            key = name
            if name in self.study.config["detectors"]:
                run = self.study.run_of(name)
                if run.kind == "detector":
                    data = ("data", "dev")
                    key = hash8({k: v for k, v in run.settings.items() if k not in data})
            families.setdefault(key, []).append(name)
        named: dict[str, str] = {}
        for names in families.values():
            shared = family_name(names)
            if shared in named.values():
                shared = names[0]
            named |= dict.fromkeys(names, shared)
        return named

    # --- the table -------------------------------------------------------------------------

    def _scorings_of(self, system: str, seed: int) -> list[Scoring]:
        scored = self.study.scored_by(system)
        return [Scoring(system, seed, *pair) for pair in self._sets if pair in scored]

    @cached_property
    def scores(self) -> list[Product]:
        """All scores that are held against generators."""
        return [
            self._scoring.of(scoring)
            for _, system, seed in self.systems
            for scoring in self._scorings_of(system, seed)
        ]

    def _threshold(self, system: str, seed: int) -> Product | None:
        """What knows a system's threshold: its own file, its scores of other trials, or nothing."""
        if trials := self._chosen_on:
            return self._scoring.of(Scoring(system, seed, trials["corpus"], trials["split"]))
        return self._scoring.threshold(system, seed)

    def _described(self) -> list[Config]:
        """What the table has to know about every system."""
        families = self._families()
        described: dict[str, Config] = {}
        for name, system, seed in self.systems:
            entry = described.setdefault(
                name,
                {
                    "name": name,
                    "family": families[name],
                    "train": self._sources(name, "train"),
                    "dev": self._sources(name, "dev"),
                    "seeds": [],
                },
            )
            scorings = self._scorings_of(system, seed)
            entry["seeds"].append(
                {
                    "seed": seed,
                    "threshold": self._threshold(system, seed),
                    "scores": {s.trials: self._scoring.of(s) for s in scorings},
                }
            )
        return list(described.values())

    @material(absent=NO_GENERATORS, when=lambda self: self.scores)
    def generator_scores(self) -> Material:
        """The scores that are held against generators, and what their systems were trained on."""
        chosen_on = self._chosen_on
        return Material(
            {
                "systems": self._described(),
                "sets": [
                    {
                        "corpus": entry["corpus"],
                        "split": entry["split"],
                        "match": entry.get("match"),
                        "manifest": self._data.manifest(entry["corpus"]),
                        "data": self._data_of(entry["corpus"]),
                    }
                    for entry in self._options["trials"]
                ],
                "chosen_on": chosen_on
                and {
                    "manifest": self._data.manifest(chosen_on["corpus"]),
                    "split": chosen_on["split"],
                },
                **self._scoring.bootstrap(),
            },
            self.about,
        )

    @material(absent=NO_SHOWN, when=lambda self: self._scoring.shown_scorings)
    def metrics_by_training(self) -> Material:
        """The error rates of the systems that figures show, and what these were trained on."""
        shown = Scores.shown_metrics.function(self._scoring)
        systems = [
            {**system, "train": self._sources(system["name"], "train")}
            for system in shown.given["systems"]
        ]
        data = {s.corpus: self._data_of(s.corpus) for s in self._scoring.shown_scorings}
        return Material({**shown.given, "systems": systems, "data": data}, shown.about)

    @cached_property
    def about(self) -> dict[str, list[str]]:
        """What captions say about the sets."""
        return {
            "Tested on": [
                f"{entry['corpus']} ({entry['split']})"
                + (f", bona fide clips of the same {entry['match']}" if entry.get("match") else "")
                for entry in self._options["trials"]
            ]
        }

    @cached_property
    def drawn(self) -> bool:
        """Whether a figure can show all of them."""
        return bool(self.scores) and len(self.names) <= MOST_SHOWN
