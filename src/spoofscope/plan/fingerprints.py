"""Mean spectra of generators, whether they are stable, what they sound like, who is nearest."""

from functools import cached_property

from spoofscope.layout import Scoring
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, Product, Stage, Work, rule, target
from spoofscope.plan.modules import component_modules
from spoofscope.plan.training import Training
from spoofscope.study import Config, Study

NO_FINGERPRINTS = (
    "no fingerprints are made (section `fingerprints`), and no detector has the back-end "
    "`fingerprint`"
)


class Fingerprints(Stage):
    """What is made of the corpus in the section `fingerprints`, and of detectors of this kind."""

    @staticmethod
    def check(study: Study) -> None:
        """Which corpus, and which of its splits."""
        entry = study.config.get("fingerprints")
        if entry is None:
            return
        dataset = study.references.datasets.get(entry["corpus"], {})
        for split in entry.get("splits", dataset.get("splits", ["train"])):
            study.references.check_dataset(entry["corpus"], split, "fingerprints.corpus")

    def __init__(self, context: Context, data: Augmentation, training: Training) -> None:
        super().__init__(context)
        self._data = data
        self._training = training

    @cached_property
    def options(self) -> Config:
        """The section `fingerprints`; empty where the study has none."""
        options: Config = self.study.config.get("fingerprints", {})
        return options

    @rule(absent=NO_FINGERPRINTS, when=lambda self: self.options)
    def measure_fingerprints(self, corpus: str) -> Work:
        """Average the spectra of every source."""
        not_options = ("corpus", "halves", "permutations", "sound_seconds")
        return Work(
            inputs={"manifest": self._data.manifest(corpus)},
            settings={
                "options": {k: v for k, v in self.options.items() if k not in not_options},
                "halves": self.options.get("halves", 100),
                "permutations": self.options.get("permutations", 499),
                "seed": self.study.seed,
            },
        )

    @rule(absent=NO_FINGERPRINTS, when=lambda self: self.options)
    def fingerprint_audio(self, corpus: str) -> Work:
        """Make fingerprints audible."""
        path = self.layout.fingerprints(corpus, "safetensors")
        return Work(
            inputs={"fingerprints": self.measure_fingerprints(corpus).product(path)},
            settings={
                "folder": self.layout.fingerprint_sounds(corpus),
                "seconds": self.options.get("sound_seconds", 3.0),
                "seed": self.study.seed,
            },
        )

    @rule()
    def nearest_fingerprints(self, run: str, seed: int, corpus: str, split: str) -> Work:
        """Name the nearest fingerprint of every clip."""
        return Work(
            inputs={
                "detector": self._training.folder(run, seed),
                "manifest": self._data.manifest(corpus),
            },
            settings={"folder": self.layout.detector(run, seed), "split": split},
            modules=component_modules(self.study.run(run).settings),
        )

    @cached_property
    def parts(self) -> dict[str, Product]:
        """Suffix to file of all that is made of the corpus in the section `fingerprints`."""
        if not self.options:
            return {}
        corpus = self.options["corpus"]
        measured, audio = self.measure_fingerprints(corpus), self.fingerprint_audio(corpus)
        makers = {
            "safetensors": measured,
            "clips.tsv": measured,
            "stability.tsv": measured,
            "sounds.tsv": audio,
        }
        return {
            part: job.product(self.layout.fingerprints(corpus, part))
            for part, job in makers.items()
        }

    @cached_property
    def tests(self) -> list[Scoring]:
        """Every test of a detector of fingerprints, with its first seed."""
        return [
            Scoring(run.id, run.seeds[0], corpus, split)
            for run in self.study.runs.values()
            if run.settings.get("backend", {}).get("type") == "fingerprint"
            for corpus, split in self.study.scored_by(run.id)
            if split == "eval"
        ]

    def described_tests(self) -> list[Config]:
        """What the report says about every test of the nearest fingerprint."""
        return [
            {
                "detector": self.study.run(scoring.system).detector,
                "corpus": scoring.corpus,
                "split": scoring.split,
                "path": self.layout.nearest_fingerprints(scoring, "confusion"),
            }
            for scoring in self.tests
        ]

    @target(absent=NO_FINGERPRINTS)
    def fingerprints(self) -> list[Product]:
        """All that is made of fingerprints."""
        nearest = [
            self.nearest_fingerprints(s.system, int(s.seed), s.corpus, s.split).product(
                self.layout.nearest_fingerprints(s, part)
            )
            for s in self.tests
            for part in ("nearest", "confusion")
        ]
        return [*self.parts.values(), *nearest]
