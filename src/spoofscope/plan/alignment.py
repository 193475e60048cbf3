"""Where phones or characters, words and silences are in clips."""

from functools import cached_property

from spoofscope.aligners import ALIGNERS as REGISTERED
from spoofscope.errors import ConfigError
from spoofscope.options.aligners import ALIGNERS
from spoofscope.options.declared import filled
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, OutsideFiles, Product, Stage, Work, rule, target
from spoofscope.plan.materials import Material, material
from spoofscope.plan.scoring import Scores, words_of
from spoofscope.plan.shards import of_all, of_shard
from spoofscope.study import Config, Study

FILES = ("config.json", "model.safetensors", "preprocessor_config.json", "vocab.json")
"""What a recogniser is loaded from."""

NO_ALIGNERS = "no clips are aligned (section `aligners`)"
NO_TEXTGRIDS = "no TextGrids are read (section `aligners`, type `textgrid`)"
NO_RECOGNISERS = "no recogniser is used (section `aligners`, type `ctc`)"


def _check_segments(study: Study, corpus: str, where: str) -> None:
    """A corpus brings the segments that an aligner without `path` takes."""
    if not study.has_tiers(corpus):
        raise ConfigError(
            f"{where}: {corpus!r} comes without segments; name a table in the key `path` of the "
            "aligner, or in `segments` of the corpus"
        )


def _check_recogniser(study: Study, name: str, entry: Config) -> None:
    """What an aligner of type ctc names is a recogniser, and another aligner."""
    where = f"aligners.{name}"
    backbone = study.references.entry(entry["backbone"], "backbones", f"{where}.backbone")
    if "head" not in backbone:
        raise ConfigError(
            f"{where}.backbone: {entry['backbone']!r} has no labels; give it `head: ctc`, if it is "
            "a recogniser that was trained with CTC"
        )
    silence = study.references.entry(entry["silence"], "aligners", f"{where}.silence")
    if silence["type"] == "ctc":
        raise ConfigError(
            f"{where}.silence: {entry['silence']!r} is of type ctc, too, whose blanks are no "
            "silences; name one of type energy, vad, table or textgrid"
        )
    for i, trials in enumerate(entry.get("trials", [])):
        if silence["type"] == "table" and "path" not in silence:
            _check_segments(study, trials["corpus"], f"{where}.trials[{i}].corpus")


class Alignment(Stage):
    """The section `aligners`."""

    @staticmethod
    def check(study: Study) -> None:
        """Which clips are aligned."""
        for name, entry in study.config["aligners"].items():
            where = f"aligners.{name}"
            trials = entry.get("trials", [])
            study.references.check_scored_splits(trials, f"{where}.trials")
            if entry["type"] == "table" and "path" not in entry:
                for i, each in enumerate(trials):
                    _check_segments(study, each["corpus"], f"{where}.trials[{i}].corpus")
            if entry["type"] == "ctc":
                _check_recogniser(study, name, entry)

    def __init__(self, context: Context, data: Augmentation, scoring: Scores) -> None:
        super().__init__(context)
        self._data = data
        self._scoring = scoring

    @cached_property
    def aligners(self) -> dict[str, Config]:
        """Name to aligner: its `type`, and its options with all defaults."""
        return {
            name: {"type": entry["type"], **filled(entry, ALIGNERS[entry["type"]])}
            for name, entry in self.study.config["aligners"].items()
        }

    @cached_property
    def recognisers(self) -> dict[str, Config]:
        """Id of every recogniser that a job puts on disk, to what determines it."""
        return {
            self.study.backbone_id(name): self.study.backbone_source(name)
            for name, entry in self.study.config["backbones"].items()
            if "head" in entry and "folder" not in entry
        }

    @rule(absent=NO_RECOGNISERS, when=lambda self: self.recognisers)
    def recogniser(self, recogniser: str) -> Work:
        """Put a recogniser on disk."""
        return Work(settings={"entry": self.recognisers[recogniser]})

    def _recogniser(self, entry: Config) -> list[Product]:
        """The files that an aligner's recogniser is loaded from; none where it has none."""
        if entry["type"] != "ctc":
            return []
        paths = [f"{self.study.backbone_folder(entry['backbone'])}/{name}" for name in FILES]
        if "folder" in self.study.config["backbones"][entry["backbone"]]:
            outside = OutsideFiles(self.outside, paths)
            return [Product(path, outside) for path in paths]
        job = self.recogniser(self.study.backbone_id(entry["backbone"]))
        return [job.product(path) for path in paths]

    @cached_property
    def textgrids(self) -> dict[str, str]:
        """Name of every aligner that reads TextGrids, to their folder."""
        return {
            name: entry["path"]
            for name, entry in self.aligners.items()
            if entry["type"] == "textgrid"
        }

    @rule(absent=NO_TEXTGRIDS, when=lambda self: self.textgrids)
    def read_textgrids(self, textgrids: str) -> Work:
        """Read the TextGrids of a folder."""
        folder = self.textgrids[textgrids]

        def find() -> list[str]:
            from spoofscope.textgrids import found_in

            return found_in(folder)

        recordings = self.outside.folder(
            f"aligner {textgrids}",
            folder,
            self.layout.recordings(f"aligner.{textgrids}"),
            self.layout.textgrids(textgrids),
            find,
        )
        return Work(settings={"folder": folder, "recordings": recordings})

    def _table(self, aligner: str, corpus: str, split: str) -> Product | list[Product]:
        """The table that an aligner imports, or that says where silence is; none where it needs
        none.
        """
        entry = self.aligners[aligner]
        if entry["type"] == "ctc":
            return self.of(entry["silence"], corpus, split)
        if entry["type"] == "textgrid":
            return self.read_textgrids(aligner).product(self.layout.textgrids(aligner))
        if entry["type"] != "table":
            return []
        if "path" in entry:
            return Product(entry["path"], OutsideFiles(self.outside, [entry["path"]]))
        return self._data.segments(corpus)

    def _source(self, entry: Config) -> Config:
        """What a recogniser is loaded with."""
        name = entry["backbone"]
        family = self.study.config["backbones"][name]["family"]
        return {"family": family, "folder": self.study.backbone_folder(name)}

    def recogniser_of(self, aligner: str) -> tuple[list[Product], Config]:
        """The files that the recogniser of an aligner of type ctc is loaded from, and what it is
        loaded with.
        """
        entry = self.aligners[aligner]
        return self._recogniser(entry), self._source(entry)

    def _aligning(self, aligner: str, corpus: str, split: str) -> Work:
        entry = self.aligners[aligner]
        options = {key: value for key, value in entry.items() if key != "trials"}
        recognises = entry["type"] == "ctc"
        backbone = {"backbone": self._source(entry)} if recognises else {}
        return Work(
            inputs={
                "backbone": self._recogniser(entry),
                "manifest": self._data.manifest(corpus),
                "table": self._table(aligner, corpus, split),
                "clips": self.clips(entry["silence"], corpus, split) if recognises else [],
            },
            settings={"aligner": options, "split": split, **backbone},
            modules=[REGISTERED.module_of(entry["type"])],
        )

    @rule(absent=NO_ALIGNERS, when=lambda self: self.aligners)
    def align_shard(self, aligner: str, corpus: str, split: str, shard: str) -> Work:
        """Align the clips of one shard."""
        output = self.layout.alignment(aligner, corpus, split)
        return of_shard(self, self._aligning(aligner, corpus, split), output, shard)

    @rule(absent=NO_ALIGNERS, when=lambda self: self.aligners)
    def align(self, aligner: str, corpus: str, split: str) -> Work:
        """Align the clips of a split."""
        return of_all(
            self,
            self._aligning(aligner, corpus, split),
            self.layout.alignment(aligner, corpus, split),
            [split],
            lambda shard: self.align_shard(aligner, corpus, split, shard),
        )

    def of(self, aligner: str, corpus: str, split: str) -> Product:
        """The segments of the clips of a split, also of one that the aligner does not list."""
        path = self.layout.alignment(aligner, corpus, split)
        return self.align(aligner, corpus, split).product(path)

    def clips(self, aligner: str, corpus: str, split: str) -> Product:
        """How each of these clips was aligned."""
        path = self.layout.aligned_clips(aligner, corpus, split)
        return self.align(aligner, corpus, split).product(path)

    @cached_property
    def sets(self) -> list[tuple[str, str, str]]:
        """(aligner, corpus, split) of all that the section `aligners` lists."""
        return [
            (name, trials["corpus"], split)
            for name, entry in self.aligners.items()
            for trials in entry.get("trials", [])
            for split in trials["splits"]
        ]

    def drawn(self, corpus: str, split: str) -> Product | list[Product]:
        """The segments for figures of these clips: of an aligner that lists them, the first that
        has labels if there is one; none where no aligner lists them.
        """
        names = [name for name, *clips in self.sets if clips == [corpus, split]]
        names.sort(key=lambda name: self.aligners[name]["type"] in ("energy", "vad"))
        return self.of(names[0], corpus, split) if names else []

    @material(absent=NO_ALIGNERS, when=lambda self: self.sets)
    def aligned_sets(self) -> Material:
        """The segments of all aligned sets."""
        aligned = [
            {
                "aligner": aligner,
                "corpus": corpus,
                "split": split,
                "segments": self.of(aligner, corpus, split),
                "clips": self.clips(aligner, corpus, split),
                "manifest": self._data.manifest(corpus),
            }
            for aligner, corpus, split in self.sets
        ]
        return Material(
            {"aligned": aligned, **self._scoring.bootstrap()},
            {
                "Aligners": list(dict.fromkeys(aligner for aligner, *_ in self.sets)),
                "Clips of": words_of((corpus, split) for _, corpus, split in self.sets),
            },
        )

    @target(absent=NO_ALIGNERS)
    def alignments(self) -> list[Product]:
        """Phones or characters, words and silences of clips, by every aligner."""
        return [make(*each) for each in self.sets for make in (self.of, self.clips)]
