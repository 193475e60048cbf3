"""Corpora: download or generate, and one manifest each."""

import os
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from spoofscope.checkout import CHECKOUT
from spoofscope.errors import ConfigError
from spoofscope.identity import hash8
from spoofscope.options.trials import Split
from spoofscope.plan.jobs import Job, Product, Stage, Work, rule, target
from spoofscope.plan.modules import corpus_modules
from spoofscope.study import Config, Study
from spoofscope.study.references import checksum_of, contents_of

_SPLITS: tuple[str, ...] = get_args(Split)

# What `data_root` may not be in: what is under version control, and what the workflow writes.
# fmt: off
_OWN_FOLDERS = frozenset((
    ".ci", ".git", ".snakemake", ".venv", "benchmarks", "config", "docs", "envs", "logs",
    "profiles", "results", "src", "tests", "workflow",
))
# fmt: on


def _check_data_root(data_root: str) -> None:
    """`data_root`, as it is written, is a folder of its own."""
    where = f"data_root: {data_root!r}"
    if set("{}\n\r\t") & set(data_root):
        raise ConfigError(
            f"{where} holds braces, which stand for wildcards in rules, a tab or a line break"
        )
    place = os.path.normpath(data_root)
    here = os.path.relpath(place) if os.path.isabs(place) else place
    checkout = os.path.relpath(place, CHECKOUT)
    if not data_root.strip() or here == "." or checkout == ".":
        raise ConfigError(f"{where} is the folder of the workflow itself; name one below it")
    for relative in (here, checkout):
        first = Path(relative).parts[0]
        if first in _OWN_FOLDERS:
            raise ConfigError(
                f"{where}: the folder {first} is for something else; choose another, such as "
                "resources"
            )


NO_DOWNLOADS = (
    "no corpus and no noise is downloaded (key `archives` in the section `corpora` or `noise`)"
)


class Corpora(Stage):
    """The corpora of a study."""

    @staticmethod
    def check(study: Study) -> None:
        """The folder of data."""
        _check_data_root(study.config["data_root"])

    @cached_property
    def archives(self) -> dict[str, list[Config]]:
        """Digest to the archives of everything that is downloaded: corpora and noise."""
        noise = self.study.config["noise"]
        return {
            hash8(contents_of(entry["archives"])): entry["archives"]
            for entry in (*self.study.corpora.values(), *noise.values())
            if "archives" in entry
        }

    @property
    def archive_files(self) -> set[str]:
        """The downloaded files of all archives."""
        entries = [archive for archives in self.archives.values() for archive in archives]
        return {self.layout.archive(checksum_of(archive)) for archive in entries}

    @cached_property
    def generated(self) -> dict[str, Config]:
        """Digest to the settings of every corpus that is generated."""
        settings = [
            self.study.generated(entry)
            for entry in self.study.corpora.values()
            if entry["type"] == "mini"
        ]
        return {hash8(entry): entry for entry in settings}

    @cached_property
    def spoken(self) -> dict[str, Config]:
        """Digest to the settings of every corpus that synthesizers speak."""
        settings = [
            self.study.spoken(entry)
            for entry in self.study.corpora.values()
            if entry["type"] == "tts"
        ]
        return {hash8(entry): entry for entry in settings}

    @rule()
    def download(self, checksum: str) -> Work:
        """Fetch one archive."""
        archives = [archive for entries in self.archives.values() for archive in entries]
        return Work(
            # With a mirror more it is still the same archive, and is not fetched again.
            settings={
                "archive": next(
                    entry for entry in contents_of(archives) if checksum_of(entry) == checksum
                )
            }
        )

    @rule()
    def unpack(self, archives: str) -> Work:
        """Unpack the archives of a corpus, or of noise."""
        entries = self.archives[archives]
        return Work(
            inputs={
                "archives": [
                    self.download(checksum).product(self.layout.archive(checksum))
                    for checksum in map(checksum_of, entries)
                ]
            },
            settings={"archives": contents_of(entries)},
        )

    @target(absent=NO_DOWNLOADS)
    def downloads(self) -> list[Product]:
        """All archives of corpora and noise that are downloaded, fetched and unpacked."""
        return [
            self.unpack(digest).product(self.layout.unpacked_list(digest))
            for digest in self.archives
        ]

    @rule()
    def generate_corpus(self, generated: str) -> Work:
        """Synthesise a corpus."""
        corpora = [
            corpus
            for corpus, entry in self.study.corpora.items()
            if entry["type"] == "mini" and hash8(self.study.generated(entry)) == generated
        ]
        return Work(settings={**self.generated[generated], **self._made_again(corpora)})

    @rule()
    def speak_corpus(self, spoken: str) -> Work:
        """Have synthesizers speak a corpus beside human recordings."""
        corpora = [
            corpus
            for corpus, entry in self.study.corpora.items()
            if entry["type"] == "tts" and hash8(self.study.spoken(entry)) == spoken
        ]
        options = self.spoken[spoken]["options"]
        read = {
            split
            for corpus in corpora
            for split in self.study.corpora[corpus].get("splits") or _SPLITS
        }
        human = options["human"]
        inputs = {"human": self.manifest(human).product(self.layout.manifest(human))}
        outside: dict[str, Any] = {}
        if "sentence_file" in options:
            inputs["sentences"] = Product(options["sentence_file"])
            outside["sentences"] = self.outside.files([options["sentence_file"]])
        return Work(
            inputs=inputs,
            settings={
                "corpus": corpora[0],
                "read": [split for split in _SPLITS if split in read],
                **self.spoken[spoken],
                **outside,
                **self._made_again(corpora),
            },
        )

    def _made_again(self, corpora: list[str]) -> dict[str, str]:
        """A setting that changes when clips are others than the manifest has read, which are made
        again.
        """
        texts = [
            self.outside.made(
                f"corpus {corpus}",
                self.layout.recordings(corpus),
                self.layout.manifest(corpus),
                self.study.corpus_marker(corpus)[0],
            )
            for corpus in corpora
        ]
        changed = [text for text in texts if text is not None]
        return {"recordings": changed[-1]} if changed else {}

    def _labels(self, corpus: str) -> list[Product]:
        """The files whose labels a manifest is made from, or that say that they are there."""
        from spoofscope.corpora.registry import label_files

        entry = self.study.corpora[corpus]
        if "path" in entry:
            return [Product(str(path)) for path in label_files(entry, entry["path"])]
        job: Job
        if entry["type"] == "mini":
            job = self.generate_corpus(hash8(self.study.generated(entry)))
        elif entry["type"] == "tts":
            job = self.speak_corpus(hash8(self.study.spoken(entry)))
        else:
            job = self.unpack(hash8(contents_of(entry["archives"])))
        return [job.product(path) for path in self.study.corpus_marker(corpus)]

    def _recordings(self, corpus: str) -> str:
        """A text that changes with the recordings of a corpus that lies outside."""
        entry, root = self.study.corpora[corpus], self.study.corpus_root(corpus)

        def find() -> list[str] | None:
            from spoofscope.corpora.manifest import found_by
            from spoofscope.corpora.registry import build

            return found_by(build(entry, root, key=corpus))

        return self.outside.folder(
            f"corpus {corpus}",
            root,
            self.layout.recordings(corpus),
            self.layout.manifest(corpus),
            find,
        )

    @rule()
    def manifest(self, corpus: str) -> Work:
        """List the utterances of a corpus."""
        entry = self.study.corpora[corpus]
        labels = self._labels(corpus)
        outside: dict[str, Any] = {}
        # A generated corpus is what its job writes.
        if not self.study.is_generated(corpus):
            outside["recordings"] = self._recordings(corpus)
        if "path" in entry:
            outside["labels"] = self.outside.files(labels)
        return Work(
            inputs={"labels": labels},
            settings={
                "corpus": corpus,
                "settings": self.settings(corpus),
                "root": self.study.corpus_root(corpus),
                "seed": self.study.seed,
                **outside,
            },
            modules=corpus_modules(entry),
        )

    def settings(self, corpus: str) -> Config:
        """A corpus' entry, without what is about the transfer of its archives."""
        entry = self.study.corpora[corpus]
        if "archives" not in entry:
            return entry
        return {**entry, "archives": contents_of(entry["archives"])}
