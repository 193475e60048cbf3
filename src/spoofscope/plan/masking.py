"""Causal masking: scores of recordings from which something was taken out."""

from functools import cached_property

from spoofscope.errors import ConfigError
from spoofscope.layout import Scoring
from spoofscope.options import nearest
from spoofscope.options.aligners import ALIGNERS
from spoofscope.options.attribution import TRAINED
from spoofscope.options.declared import chosen, filled
from spoofscope.options.masking import MaskingOptions
from spoofscope.plan.alignment import Alignment
from spoofscope.plan.attribution import Attribution
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, Product, Work, rule, target
from spoofscope.plan.materials import Material, material
from spoofscope.plan.modules import mask_modules
from spoofscope.plan.rescoring import Rescoring, check_heard
from spoofscope.plan.scoring import Scores
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
    return entry.get("replacement") in TRAINED or _masks_artefacts(entry)


class Masking(Rescoring):
    """The section `masking`."""

    NAME = "masking"

    @staticmethod
    def check(study: Study) -> None:
        """Which detectors hear masked recordings, of which trials, and whether masks fit them."""
        check_heard(study, "masking")
        section = study.config.get("masking", {})
        masks = section.get("masks", {})
        for trials in section.get("trials", []):
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
            _check_centroid(study, name, f"masking.detectors[{i}]")

    def __init__(
        self,
        context: Context,
        data: Augmentation,
        training: Training,
        scoring: Scores,
        attribution: Attribution,
        alignment: Alignment,
    ) -> None:
        super().__init__(context, data, training, scoring)
        self._attribution = attribution
        self._alignment = alignment

    def _segments(self, corpus: str, split: str) -> Product | list[Product]:
        """Where phones, words and silences are, where a mask asks for it."""
        if not any(map(_needs_segments, self.section["masks"].values())):
            return []
        if "aligner" in self.section:
            return self._alignment.of(self.section["aligner"], corpus, split)
        return self._data.segments(corpus)

    def _masking(self, scoring: Scoring) -> Work:
        run, seed, corpus, split = scoring
        masks = self.section["masks"]
        centred = any(map(_needs_centroid, masks.values()))
        planted = any(map(_masks_artefacts, masks.values()))
        files: list[Product] = []
        heard: Config = {}
        if any(map(_needs_recogniser, masks.values())):
            files, source = self._alignment.recogniser_of(self.section["aligner"])
            heard = {"recogniser": source}
        return self.work(
            scoring,
            {
                "artefacts": self._data.segments(corpus) if planted else [],
                "centroid": self._attribution.centroid_of(run, int(seed)) if centred else [],
                "recogniser": files,
                "segments": self._segments(corpus, split),
            },
            {"masks": masks, "options": chosen(self.section, MaskingOptions), **heard},
            mask_modules(masks),
        )

    @rule(absent=NO_MASKING, when=lambda self: self.heard)
    def score_masked_shard(self, run: str, seed: int, corpus: str, split: str, shard: str) -> Work:
        """Score one shard of the masked utterances."""
        scoring = Scoring(run, seed, corpus, split)
        return of_shard(self, self._masking(scoring), self.layout.masked(scoring), shard)

    @rule(absent=NO_MASKING, when=lambda self: self.heard)
    def score_masked(self, run: str, seed: int, corpus: str, split: str) -> Work:
        """Score masked utterances."""
        scoring = Scoring(run, seed, corpus, split)
        return of_all(
            self,
            self._masking(scoring),
            self.layout.masked(scoring),
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
            **self.about_trials,
            "Masks": list(self.section["masks"]),
            "Random masks per mask": str(self.section["controls"]),
        }

    @material(absent=NO_MASKING, when=lambda self: self.heard)
    def masked_scores(self) -> Material:
        """The scores of masked utterances."""
        return Material(
            {"masked": self.judged(self.of), "masks": self.section["masks"], **self.resampling},
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
            for scoring in self.heard
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
        return [self.of(scoring) for scoring in self.heard]


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
    unclassed = entry["type"] == "phone_classes" and entry.get("classes") is None
    if unclassed and _finds_letters(aligners[name]):
        raise ConfigError(
            f"{where}: the aligner {name!r} finds letters, which have no class of phones; name the "
            "letters of each class (key `classes`)"
        )


def _finds_letters(aligner: Config) -> bool:
    """Whether an aligner finds letters instead of phones."""
    return aligner["type"] == "ctc" and filled(aligner, ALIGNERS["ctc"])["tier"] == "character"


def _check_recogniser(study: Study, mask: str) -> None:
    """The published mask has a recogniser."""
    name = study.config["masking"].get("aligner")
    if name is None or study.config["aligners"].get(name, {}).get("type") != "ctc":
        raise ConfigError(
            f"masking.masks.{mask}: as published, it asks what a recogniser hears; name an aligner "
            "of type ctc (key `masking.aligner`)"
        )


def _replacement(entry: Config) -> str:
    """What a mask that needs training data replaces by."""
    return str(entry["replacement"]) if entry.get("replacement") in TRAINED else "centroid"


def _check_centroid(study: Study, name: str, where: str) -> None:
    """There is a centroid for masks that replace by it."""
    entry = study.references.entry(name, "detectors", where)
    if kind_of(entry) != "pretrained" or "reference" in entry:
        return
    for mask, options in study.config["masking"]["masks"].items():
        if _needs_centroid(options):
            raise ConfigError(
                f"masking.masks.{mask}: its replacement {_replacement(options)!r} is made of bona "
                f"fide training data, and the study has trained none of {name!r}; name a corpus "
                f"for it in detectors.{name}.reference, or choose another mask or replacement"
            )
