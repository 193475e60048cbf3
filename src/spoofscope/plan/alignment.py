"""Where phones or characters, words and silences are in clips."""

from functools import cached_property

from spoofscope.aligners import ALIGNERS as REGISTERED
from spoofscope.errors import ConfigError
from spoofscope.options.aligners import ALIGNERS
from spoofscope.options.declared import filled
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, OutsideFiles, Product, Stage, Work, rule, target
from spoofscope.plan.shards import of_all, of_shard
from spoofscope.study import Config, Study

NO_ALIGNERS = "no clips are aligned (section `aligners`)"


def _check_segments(study: Study, corpus: str, where: str) -> None:
    """A corpus brings the segments that an aligner without `path` takes."""
    if not study.has_segments(corpus):
        raise ConfigError(
            f"{where}: {corpus!r} comes without segments; name a table in the key `path` of the "
            "aligner, or in `segments` of the corpus"
        )


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

    def __init__(self, context: Context, data: Augmentation) -> None:
        super().__init__(context)
        self._data = data

    @cached_property
    def aligners(self) -> dict[str, Config]:
        """Name to aligner: its `type`, and its options with all defaults."""
        return {
            name: {"type": entry["type"], **filled(entry, ALIGNERS[entry["type"]])}
            for name, entry in self.study.config["aligners"].items()
        }

    def _table(self, aligner: str, corpus: str) -> Product | list[Product]:
        """The table that an aligner imports; none where it finds segments itself."""
        entry = self.aligners[aligner]
        if entry["type"] != "table":
            return []
        if "path" in entry:
            return Product(entry["path"], OutsideFiles(self.outside, [entry["path"]]))
        return self._data.segments(corpus)

    def _aligning(self, aligner: str, corpus: str, split: str) -> Work:
        entry = self.aligners[aligner]
        options = {key: value for key, value in entry.items() if key != "trials"}
        return Work(
            inputs={
                "manifest": self._data.manifest(corpus),
                "table": self._table(aligner, corpus),
            },
            settings={"aligner": options, "split": split},
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

    @target(absent=NO_ALIGNERS)
    def alignments(self) -> list[Product]:
        """Phones or characters, words and silences of clips, by every aligner."""
        return [make(*each) for each in self.sets for make in (self.of, self.clips)]
