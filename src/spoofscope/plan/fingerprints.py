"""Mean spectra of generators, their stability and sounds, and nearest sources of clips."""

from functools import cached_property

from spoofscope.layout import Scoring
from spoofscope.options.declared import chosen, filled
from spoofscope.options.fingerprints import FingerprintOptions
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, Product, Stage, Work, rule, target
from spoofscope.plan.materials import Material, material
from spoofscope.plan.modules import component_modules
from spoofscope.plan.shards import of_all, of_shard
from spoofscope.plan.training import Training
from spoofscope.study import Config, Study

NO_FINGERPRINTS = (
    "no fingerprints are made (section `fingerprints`), and no detector has the back-end "
    "`fingerprint`"
)

LONGEST_PASSAGE = 2.0
"""Seconds of a clip that a figure of single clips shows; in longer ones nothing could be seen."""


class Fingerprints(Stage):
    """What is made of the corpus in the section `fingerprints`, and of detectors of this kind."""

    @staticmethod
    def check(study: Study) -> None:
        """Which corpus, and which of its splits."""
        entry = study.config.get("fingerprints")
        if entry is None:
            return
        splits = entry["splits"]
        if splits == filled({}, FingerprintOptions)["splits"]:
            # All that the corpus has.
            dataset = study.references.datasets.get(entry["corpus"], {})
            splits = dataset.get("splits", splits)
        for split in splits:
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

    def _measuring(self, corpus: str) -> Work:
        return Work(
            inputs={"manifest": self._data.manifest(corpus)},
            settings={
                "options": chosen(self.options, FingerprintOptions),
                "halves": self.options["halves"],
                "permutations": self.options["permutations"],
                "seed": self.study.seed,
            },
        )

    @rule(absent=NO_FINGERPRINTS, when=lambda self: self.options)
    def measure_fingerprints_shard(self, corpus: str, shard: str) -> Work:
        """Add the spectra of one shard of the clips."""
        output = self.layout.fingerprints(corpus, "safetensors")
        return of_shard(self, self._measuring(corpus), output, shard)

    @rule(absent=NO_FINGERPRINTS, when=lambda self: self.options)
    def measure_fingerprints(self, corpus: str) -> Work:
        """Average the spectra of every source."""
        return of_all(
            self,
            self._measuring(corpus),
            self.layout.fingerprints(corpus, "safetensors"),
            self.options["splits"],
            lambda shard: self.measure_fingerprints_shard(corpus, shard),
        )

    @rule(absent=NO_FINGERPRINTS, when=lambda self: self.options)
    def fingerprint_audio(self, corpus: str) -> Work:
        """Make fingerprints audible."""
        path = self.layout.fingerprints(corpus, "safetensors")
        return Work(
            inputs={"fingerprints": self.measure_fingerprints(corpus).product(path)},
            settings={
                "folder": self.layout.fingerprint_sounds(corpus),
                "seconds": self.options["sound_seconds"],
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

    def _nearest(self, scoring: Scoring, part: str) -> Product:
        system, seed, corpus, split = scoring
        job = self.nearest_fingerprints(system, int(seed), corpus, split)
        return job.product(self.layout.nearest_fingerprints(scoring, part))

    @cached_property
    def read_parts(self) -> dict[str, Product]:
        """What the report reads of these parts."""
        read = ("sounds.tsv", "stability.tsv")
        return {name: path for name, path in self.parts.items() if name in read}

    def described_tests(self) -> list[Config]:
        """What the report says about every test of the nearest fingerprint."""
        return [
            {
                "detector": self.study.run(scoring.system).detector,
                "corpus": scoring.corpus,
                "split": scoring.split,
                "table": self._nearest(scoring, "confusion"),
            }
            for scoring in self.tests
        ]

    @material(absent=NO_FINGERPRINTS, when=lambda self: self.parts)
    def single_clips(self) -> Material:
        """The clips that fingerprints are made of, to draw some of them."""
        options = self.options
        seconds = min(options["seconds"], LONGEST_PASSAGE)
        return Material(
            {
                "clips": self.parts["clips.tsv"],
                "seconds": seconds,
                "sample_rate": options["sample_rate"],
                "seed": self.study.seed,
            },
            {
                "Corpus": options["corpus"],
                "Of each clip": f"the first {seconds:g} s",
                "Clips of the same": options["group"],
            },
        )

    @material(absent=NO_FINGERPRINTS, when=lambda self: self.parts)
    def mean_spectra(self) -> Material:
        """The mean spectra of every source."""
        options = self.options
        return Material(
            {"fingerprints": self.parts["safetensors"]},
            {
                "Corpus": options["corpus"],
                "Of each clip": f"the first {options['seconds']:g} s",
                "Clips per source": f"at most {options['clips']}",
                "Packets": f"wavelet {options['wavelet']}, level {options['level']}",
            },
        )

    @material(absent=NO_FINGERPRINTS, when=lambda self: self.parts)
    def stable_spectra(self) -> Material:
        """The mean spectra, and whether halves of the clips agree on them."""
        match = self.options["match"]
        return Material(
            {
                "fingerprints": self.parts["safetensors"],
                "stability": self.parts["stability.tsv"],
            },
            {
                "Corpus": self.options["corpus"],
                "Halves share no": self.options["group"],
                **({"Compared with bona fide speech of the same": match} if match else {}),
            },
        )

    @target(absent=NO_FINGERPRINTS)
    def fingerprints(self) -> list[Product]:
        """Mean spectra of generators, their stability and sounds, and nearest sources of clips."""
        nearest = [self._nearest(s, part) for s in self.tests for part in ("nearest", "confusion")]
        return [*self.parts.values(), *nearest]
