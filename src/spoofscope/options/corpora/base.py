"""What readers of corpora have in common."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.errors import ConfigError
from spoofscope.options.declared import Options, option, optional, required
from spoofscope.options.trials import Split


@dataclass(frozen=True, kw_only=True)
class Archive(Options):
    """An archive to download and unpack."""

    url: str = required()
    """Where to download it."""
    sha256: str = optional(pattern="^[0-9a-f]{64}$")
    """SHA-256 of the file."""
    md5: str = optional(pattern="^[0-9a-f]{32}$")
    """MD5 of the file, where no SHA-256 is published."""
    size: int = optional(minimum=1)
    """Bytes; another file is refused before it is downloaded."""
    file: str = optional(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$")
    """What the file is called; default: the last name in `url` that has a suffix."""
    mirrors: tuple[str, ...] = optional(minItems=1)
    """Other addresses of the same file, which are asked in this order when `url` fails."""

    def check(self, place: str) -> None:
        """There is one checksum."""
        if len({"sha256", "md5"} & self.to_dict().keys()) != 1:
            raise ConfigError(f"{place}: an archive needs one checksum: sha256 or md5")


@dataclass(frozen=True, kw_only=True)
class Location(Options):
    """Where a corpus comes from."""

    path: str = optional()
    """The folder that holds the corpus."""
    archives: tuple[Archive, ...] | str = optional(
        minItems=1,
        pattern="^published$",
        title="a list of archives, or published",
    )
    """Instead of `path`: archives to download and unpack; `published`: those of
    [corpora.md](corpora.md)."""
    subfolder: str = optional()
    """Where the corpus lies inside the unpacked archives."""


@dataclass(frozen=True, kw_only=True)
class CorpusOptions(Options):
    """What every reader can be told."""

    on_bad_audio: Literal["fail", "exclude"] = option("fail")
    """Missing or undecodable files: stop, or leave out and list in the audit."""
    most_bad_audio: int = option(0, minimum=0)
    """So many missing or undecodable files are left out all the same, and named in the audit."""
    splits: tuple[Split, ...] | None = option(None, minItems=1, uniqueItems=True)
    """The splits to use; null: all."""

    def check(self, place: str) -> None:
        """A number of files is tolerated where others stop."""
        super().check(place)
        if self.on_bad_audio == "exclude" and self.most_bad_audio:
            raise ConfigError(
                f"{place}.most_bad_audio: with `on_bad_audio: exclude`, any number of files is "
                "left out; keep one of the two"
            )
        for split in self.splits or ():
            if split in self.empty_splits:
                raise ConfigError(
                    f"{place}.splits: nothing of this corpus is {split}; {self.filled_by}"
                )

    @property
    def leaves_out(self) -> bool:
        """Whether a file that cannot be used may be left out."""
        return self.on_bad_audio == "exclude" or self.most_bad_audio > 0

    @property
    def published_as(self) -> str:
        """What the data are called in `literature.tsv`; "" where it is the type of the corpus."""
        return ""

    @property
    def spoofs_alone(self) -> bool:
        """Whether the corpus is known to have no bona fide speech before it is read."""
        return False

    @property
    def empty_splits(self) -> frozenset[str]:
        """The splits that are known to have no clip before the corpus is read."""
        return frozenset()

    @property
    def filled_by(self) -> str:
        """What would put clips into a split of `empty_splits`, for messages."""
        return "its own lists say so"

    def attacks_of(self, split: str) -> frozenset[str] | None:
        """The attacks of a split, where they are known before the corpus is read."""
        return None

    @property
    def dev_lacks_known(self) -> bool:
        """Whether dev is known to have no attack of train before the corpus is read."""
        return False


@dataclass(frozen=True, kw_only=True)
class StoredOptions(CorpusOptions, Location):
    """A corpus whose layout says everything else."""

    segments: str | None = option(None)
    """A segments table, relative to the folder."""


@dataclass(frozen=True, kw_only=True)
class Fractions(Options):
    """Shares of the splits, which add up to 1."""

    train: float = option(0.0, minimum=0, maximum=1)
    """Share of train."""
    dev: float = option(0.0, minimum=0, maximum=1)
    """Share of dev."""
    eval: float = option(0.0, minimum=0, maximum=1)
    """Share of eval."""

    def check(self, place: str) -> None:
        """They add up to 1."""
        total = self.train + self.dev + self.eval
        if abs(total - 1) > 1e-6:
            raise ConfigError(f"{place}: they add up to {total:g}, not to 1")

    @property
    def without(self) -> frozenset[str]:
        """The splits that get nothing."""
        return frozenset(split for split, share in self.to_dict().items() if not share)


@dataclass(frozen=True, kw_only=True)
class HeldOut(Options):
    """Attacks that a reader keeps out of splits, where a study says so."""

    only_test: tuple[str, ...] = option((), uniqueItems=True)
    """Attacks (generators) that are in no training: see [generators.md](generators.md)."""
    only_dev: tuple[str, ...] = option((), uniqueItems=True)
    """Attacks that are in dev alone, such as the unknown one that scores of unknown attacks are
    checked on; eval has others."""

    def check(self, place: str) -> None:
        """An attack is one of the two."""
        super().check(place)
        if both := sorted({*self.only_test} & {*self.only_dev}):
            raise ConfigError(f"{place}: {both[0]!r} is in only_test and in only_dev; leave one")

    @property
    def held_out(self) -> frozenset[str]:
        """All of them."""
        return frozenset({*self.only_test, *self.only_dev})


@dataclass(frozen=True, kw_only=True)
class DealtOptions(StoredOptions):
    """A corpus without splits of its own, whose speakers are dealt to them."""

    fractions: Fractions | None = option(None)
    """How speakers are dealt to the splits; null: everything is eval."""
    seed: int = option(0)
    """Decides the order in which speakers are dealt to the splits."""

    @property
    def empty_splits(self) -> frozenset[str]:
        """Those without a share."""
        return (self.fractions or Fractions(eval=1.0)).without

    @property
    def filled_by(self) -> str:
        """The shares."""
        return "give it a share (key `fractions`)"
