"""Clips that one system gets right and another one wrong."""

from functools import cached_property

from spoofscope.errors import ConfigError
from spoofscope.layout import Scoring
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, Product, Stage, Work, rule, target
from spoofscope.plan.materials import Material, material
from spoofscope.plan.scoring import Scores
from spoofscope.study import Config, Study, kind_of

NO_DISAGREEMENTS = "no disagreements are listed (section `disagreements`)"

ROLES = ("right", "wrong")


def _name_of(entry: Config) -> str:
    name: str = entry.get("name", f"{entry['right']}_not_{entry['wrong']}")
    return name


def _check_system(study: Study, entry: Config, role: str, where: str) -> None:
    """A system is scored on what is asked, and has a threshold."""
    references, name = study.references, entry[role]
    references.check_system(name, f"{where}.{role}")
    references.check_scored(entry, where, name)
    if "threshold" in entry:
        references.check_scored(entry["threshold"], f"{where}.threshold", name)
    elif name in references.detectors and kind_of(references.detectors[name]) != "detector":
        raise ConfigError(
            f"{where}: {name!r} was not trained by this study, so it has no threshold that was "
            "chosen on development data; name scored trials for that, key 'threshold'"
        )


class Disagreements(Stage):
    """The entries of the section `disagreements`."""

    @staticmethod
    def check(study: Study) -> None:
        """Which systems disagree on which trials, by which thresholds, under which name."""
        names: list[str] = []
        for i, entry in enumerate(study.config["disagreements"]):
            where = f"disagreements[{i}]"
            for role in ROLES:
                _check_system(study, entry, role, where)
            if entry.get("threshold", {}).get("split") == "eval":
                raise ConfigError(
                    f"{where}.threshold.split: a threshold is not chosen on eval, where systems "
                    "are judged"
                )
            if entry["right"] == entry["wrong"]:
                raise ConfigError(f"{where}: {entry['right']!r} cannot disagree with itself")
            name = _name_of(entry)
            if name in names:
                raise ConfigError(
                    f"{where}: there is another {name!r}; give one of them another `name`"
                )
            names.append(name)

    def __init__(self, context: Context, data: Augmentation, scoring: Scores) -> None:
        super().__init__(context)
        self._data = data
        self._scoring = scoring

    @cached_property
    def entries(self) -> dict[str, Config]:
        """Name to entry; `right` and `wrong` are [id, seed, name]."""
        return {
            _name_of(entry): {
                **{key: value for key, value in entry.items() if key != "name"},
                **{role: [*self.study.first_of(entry[role]), entry[role]] for role in ROLES},
            }
            for entry in self.study.config["disagreements"]
        }

    def _scores(self, entry: Config, role: str, trials: Config) -> Product:
        """Scores of the system that has to be right, or of the other."""
        system, seed, _ = entry[role]
        return self._scoring.of(Scoring(system, seed, trials["corpus"], trials["split"]))

    def _threshold(self, entry: Config, role: str) -> Product | list[Product]:
        """What knows a system's threshold: a detector, a fusion, or scores it is chosen on."""
        if "threshold" in entry:
            return self._scores(entry, role, entry["threshold"])
        system, seed, _ = entry[role]
        return self._scoring.threshold(system, seed) or []

    @rule()
    def find_disagreements(self, disagreement: str) -> Work:
        """List, count and export clips."""
        entry = self.entries[disagreement]
        # Of what is judged, and of what thresholds are chosen on; one where these are the same.
        corpora = dict.fromkeys([entry["corpus"], entry.get("threshold", entry)["corpus"]])
        return Work(
            inputs={
                "manifests": [self._data.manifest(corpus) for corpus in corpora],
                "right": self._scores(entry, "right", entry),
                "right_threshold": self._threshold(entry, "right"),
                "wrong": self._scores(entry, "wrong", entry),
                "wrong_threshold": self._threshold(entry, "wrong"),
            },
            settings={
                "name": disagreement,
                "split": entry["split"],
                "threshold": entry.get("threshold"),
                "clips": entry["clips"],
                "seconds": entry["seconds"],
                "folder": self.layout.disagreement_audio(disagreement),
                "cluster": self._scoring.bootstrap()["cluster"],
                "seed": self.study.seed,
            },
        )

    def _found(self, name: str, suffix: str) -> Product:
        return self.find_disagreements(name).product(self.layout.disagreement(name, suffix))

    @cached_property
    def described(self) -> list[Config]:
        """What the report says about every entry, with its list of clips and its counts."""
        return [
            {
                "name": name,
                **{key: entry[key] for key in (*ROLES, "corpus", "split")},
                "list": self._found(name, "tsv"),
                "counts": self._found(name, "counts.tsv"),
            }
            for name, entry in self.entries.items()
        ]

    @material(absent=NO_DISAGREEMENTS, when=lambda self: self.entries)
    def judged_pairs(self) -> Material:
        """Of every entry what was found, and the scores of both systems."""
        entries = [
            {
                **described,
                "manifest": self._data.manifest(described["corpus"]),
                "scores": {
                    role: self._scores(self.entries[described["name"]], role, described)
                    for role in ROLES
                },
            }
            for described in self.described
        ]
        return Material(
            {"entries": entries},
            {
                "Pairs": [
                    f"{e['right'][2]} right, {e['wrong'][2]} wrong: {e['corpus']} ({e['split']})"
                    for e in entries
                ]
            },
        )

    @target(absent=NO_DISAGREEMENTS)
    def disagreements(self) -> list[Product]:
        """Clips that one system judges right and another wrong, some of them as audio."""
        return [
            self._found(name, suffix) for name in self.entries for suffix in ("tsv", "counts.tsv")
        ]
