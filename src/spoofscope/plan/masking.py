"""Causal masking: scores of recordings from which something was taken out."""

from functools import cached_property

from spoofscope.errors import ConfigError
from spoofscope.layout import Scoring
from spoofscope.options import nearest
from spoofscope.options.declared import chosen
from spoofscope.options.masking import MaskingOptions
from spoofscope.plan.alignment import Alignment
from spoofscope.plan.attribution import Attribution
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, Product, Stage, Work, rule, target
from spoofscope.plan.materials import Material, material
from spoofscope.plan.modules import component_modules, mask_modules
from spoofscope.plan.scoring import Scores, words_of
from spoofscope.plan.shards import of_all, of_shard
from spoofscope.plan.training import Training
from spoofscope.study import Config, Study, kind_of

NO_MASKING = "no recordings are masked (section `masking`)"
NO_CUE_USE = (
    "no detector is both explained and masked at known artefacts of the same trials (section "
    "`attribution`, and a mask of type artefact in the section `masking`)"
)

# Types of aligners that find no phones or words.
_SILENCES_ONLY = ("energy", "vad")

# Whose published forms ask what a recogniser hears.
_HEARD = ("silence", "word_boundaries")

_SEGMENTED = ("phones", "phone_classes", "word_boundaries")


def _needs_segments(entry: Config) -> bool:
    """Whether a mask asks where something is."""
    if entry.get("as_published", False):
        return False
    if entry["type"] == "silence":
        return entry.get("by", "segments") == "segments"
    return entry["type"] in _SEGMENTED


def _needs_recogniser(entry: Config) -> bool:
    """Whether a published mask asks what a recogniser hears."""
    return entry["type"] in _HEARD and entry.get("as_published", False)


def _masks_artefacts(entry: Config) -> bool:
    """Whether a mask asks where known artefacts are."""
    return bool(entry["type"] == "artefact")


def _needs_centroid(entry: Config) -> bool:
    return entry.get("replacement") == "centroid" or _masks_artefacts(entry)


class Masking(Stage):
    """The section `masking`."""

    @staticmethod
    def check(study: Study) -> None:
        """Which detectors hear masked recordings, of which trials, and whether masks fit them."""
        section = study.config.get("masking", {})
        masks = section.get("masks", {})
        for i, trials in enumerate(section.get("trials", [])):
            where = f"masking.trials[{i}]"
            for name in section["detectors"]:
                study.references.entry(name, "detectors", "masking.detectors")
                study.references.check_scored(trials, where, name)
            for mask, entry in masks.items():
                if _needs_segments(entry):
                    _check_segments(study, mask, entry, trials["corpus"])
                if _needs_recogniser(entry):
                    _check_recogniser(study, mask)
                if _masks_artefacts(entry) and not study.has_segments(trials["corpus"]):
                    raise ConfigError(
                        f"masking.masks.{mask}: nothing says where artefacts are in "
                        f"{trials['corpus']!r}; name `segments` of the corpus"
                    )
        for i, name in enumerate(section.get("detectors", [])):
            _check_detector(study, name, f"masking.detectors[{i}]")
        if section.get("threshold", {}).get("split") == "eval":
            raise ConfigError(
                "masking.threshold.split: a threshold is not chosen on eval, where systems are "
                "judged"
            )

    def __init__(
        self,
        context: Context,
        data: Augmentation,
        training: Training,
        scoring: Scores,
        attribution: Attribution,
        alignment: Alignment,
    ) -> None:
        super().__init__(context)
        self._data = data
        self._training = training
        self._scoring = scoring
        self._attribution = attribution
        self._alignment = alignment

    @property
    def section(self) -> Config:
        """The section, with all its defaults; empty where the study has none."""
        section: Config = self.study.config.get("masking", {})
        return section

    @cached_property
    def masked(self) -> list[Scoring]:
        """Every detector, with its first seed, and the trials that it hears masked."""
        runs = [self.study.run_of(name) for name in self.section.get("detectors", [])]
        return [
            Scoring(run.id, run.seeds[0], entry["corpus"], entry["split"])
            for run in runs
            for entry in self.section["trials"]
        ]

    def _segments(self, corpus: str, split: str) -> Product | list[Product]:
        """Where phones, words and silences are, where a mask asks for it."""
        if not any(map(_needs_segments, self.section["masks"].values())):
            return []
        if "aligner" in self.section:
            return self._alignment.of(self.section["aligner"], corpus, split)
        return self._data.segments(corpus)

    def _masking(self, run: str, seed: int, corpus: str, split: str) -> Work:
        masks = self.section["masks"]
        centred = any(map(_needs_centroid, masks.values()))
        planted = any(map(_masks_artefacts, masks.values()))
        files: list[Product] = []
        heard: Config = {}
        if any(map(_needs_recogniser, masks.values())):
            files, source = self._alignment.recogniser_of(self.section["aligner"])
            heard = {"recogniser": source}
        return Work(
            inputs={
                "artefacts": self._data.segments(corpus) if planted else [],
                "backbone": self._training.backbone(run),
                "centroid": self._attribution.centroid_of(run, seed) if centred else [],
                "detector": self._training.folder(run, seed),
                "manifest": self._data.manifest(corpus),
                "recogniser": files,
                "scores": self._scoring.of(Scoring(run, seed, corpus, split)),
                "segments": self._segments(corpus, split),
            },
            settings={
                "run": run,
                "folder": self.layout.detector(run, seed),
                "split": split,
                "masks": masks,
                "options": chosen(self.section, MaskingOptions),
                "seed": self.study.seed,
                **heard,
            },
            modules=[*component_modules(self.study.run(run).settings), *mask_modules(masks)],
        )

    @rule(absent=NO_MASKING, when=lambda self: self.masked)
    def score_masked_shard(self, run: str, seed: int, corpus: str, split: str, shard: str) -> Work:
        """Score one shard of the masked utterances."""
        output = self.layout.masked(Scoring(run, seed, corpus, split))
        return of_shard(self, self._masking(run, seed, corpus, split), output, shard)

    @rule(absent=NO_MASKING, when=lambda self: self.masked)
    def score_masked(self, run: str, seed: int, corpus: str, split: str) -> Work:
        """Score masked utterances."""
        return of_all(
            self,
            self._masking(run, seed, corpus, split),
            self.layout.masked(Scoring(run, seed, corpus, split)),
            [split],
            lambda shard: self.score_masked_shard(run, seed, corpus, split, shard),
        )

    def of(self, scoring: Scoring) -> Product:
        """The scores of masked utterances."""
        run, seed, corpus, split = scoring
        job = self.score_masked(run, int(seed), corpus, split)
        return job.product(self.layout.masked(scoring))

    @cached_property
    def about(self) -> dict[str, str | list[str]]:
        """What captions say about masking."""
        return {
            "Trials": words_of((s.corpus, s.split) for s in self.masked),
            "Masks": list(self.section["masks"]),
            "Utterances per attack": str(self.section["per_attack"]),
            "Random masks per mask": str(self.section["controls"]),
            "Resampled by": self._scoring.resampled_by,
        }

    @material(absent=NO_MASKING, when=lambda self: self.masked)
    def masked_scores(self) -> Material:
        """The scores of masked utterances."""
        masked = [
            {
                "name": self.study.run(scoring.system).detector,
                "seed": scoring.seed,
                "corpus": scoring.corpus,
                "split": scoring.split,
                "scores": self.of(scoring),
                "manifest": self._data.manifest(scoring.corpus),
                **self._scoring.fixed_threshold(scoring, self.section.get("threshold")),
            }
            for scoring in self.masked
        ]
        return Material(
            {
                "masked": masked,
                "masks": self.section["masks"],
                **self._scoring.bootstrap(),
                "resamples": self.section["resamples"],
            },
            self.about,
        )

    @property
    def _artefact_mask(self) -> str | None:
        """The first mask of known artefacts."""
        masks = self.section.get("masks", {}).items()
        return next((name for name, entry in masks if _masks_artefacts(entry)), None)

    @cached_property
    def judged_cues(self) -> list[Scoring]:
        """Detectors that are explained and masked, on the trials of which both were done."""
        explained, options = self._attribution.explained, self._attribution.options
        if self._artefact_mask is None or not self._attribution.localised:
            return []
        return [
            scoring
            for scoring in self.masked
            if (scoring.system, int(scoring.seed)) in explained
            and (scoring.corpus, scoring.split) == (options["corpus"], options["split"])
        ]

    @material(absent=NO_CUE_USE, when=lambda self: self.judged_cues)
    def cue_uses(self) -> Material:
        """How well evidence finds known artefacts, and what replacing these does."""
        uses = [
            {
                "name": self.study.run(scoring.system).detector,
                "seed": scoring.seed,
                "corpus": scoring.corpus,
                "split": scoring.split,
                "scores": self._scoring.of(scoring),
                "manifest": self._data.manifest(scoring.corpus),
                "masked": self.of(scoring),
                "mask": self._artefact_mask,
                "localisations": self._attribution.localisations_of(
                    scoring.system, int(scoring.seed)
                ),
            }
            for scoring in self.judged_cues
        ]
        return Material({"uses": uses, **self._scoring.bootstrap()}, self.about)

    @target(absent=NO_MASKING)
    def masking(self) -> list[Product]:
        """Scores of recordings from which something was taken out."""
        return [self.of(scoring) for scoring in self.masked]


def _check_segments(study: Study, mask: str, entry: Config, corpus: str) -> None:
    """Something says where phones, words or silences are."""
    where = f"masking.masks.{mask}"
    name = study.config["masking"].get("aligner")
    if name is None:
        if not study.has_segments(corpus):
            hint = ", or `by: level`" if entry["type"] == "silence" else ""
            raise ConfigError(
                f"{where}: nothing says where phones, words or silences are in {corpus!r}; name an "
                f"aligner (key `masking.aligner`), or `segments` of the corpus{hint}"
            )
        return
    aligners = study.config["aligners"]
    if name not in aligners:
        raise ConfigError(f"masking.aligner: no aligner {name!r}; {nearest(name, aligners)}")
    if entry["type"] != "silence" and aligners[name]["type"] in _SILENCES_ONLY:
        raise ConfigError(
            f"{where}: it asks where phones or words are, and the aligner {name!r} of type "
            f"{aligners[name]['type']} finds silences alone"
        )


def _check_recogniser(study: Study, mask: str) -> None:
    """The published mask has a recogniser."""
    name = study.config["masking"].get("aligner")
    if name is None or study.config["aligners"].get(name, {}).get("type") != "ctc":
        raise ConfigError(
            f"masking.masks.{mask}: as published, it asks what a recogniser hears; name an aligner "
            "of type ctc (key `masking.aligner`)"
        )


def _check_detector(study: Study, name: str, where: str) -> None:
    """There is something that can hear a masked recording, and decide."""
    entry = study.references.entry(name, "detectors", where)
    kind = kind_of(entry)
    if kind == "external_scores":
        raise ConfigError(f"{where}: of {name!r} there are only scores, nothing to mask for")
    section = study.config["masking"]
    if "threshold" in section:
        study.references.check_scored(section["threshold"], "masking.threshold", name)
    for mask, options in section["masks"].items():
        if _needs_centroid(options) and kind == "pretrained" and "reference" not in entry:
            raise ConfigError(
                f"masking.masks.{mask}: its replacement 'centroid' is the mean of bona fide "
                f"training data, and the study has trained none of {name!r}; name a corpus for it "
                f"in detectors.{name}.reference, or choose another mask or replacement"
            )
