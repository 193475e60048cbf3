"""How published corpora and noise are given out, from `distribution.yaml`: parts, checksums, sizes.

The head of that file says what its keys mean, and when a part counts as verified.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spoofscope.errors import ConfigError

_FILE = Path(__file__).with_name("distribution.yaml")

PUBLISHED = "published"
"""In place of a list of archives: those of `distribution.yaml`."""


@dataclass(frozen=True)
class Size:
    """How much has to be downloaded.

    n_bytes: as far as it is known. rounded: whether part of it was. whole: whether nothing is
    missing in it.
    """

    n_bytes: int
    rounded: bool = False
    whole: bool = True

    def __add__(self, other: "Size") -> "Size":
        return Size(
            self.n_bytes + other.n_bytes, self.rounded or other.rounded, self.whole and other.whole
        )

    def __str__(self) -> str:
        if not self.n_bytes:
            return "size not known"
        size = (
            f"{self.n_bytes / 1e9:.3g} GB"
            if self.n_bytes >= 1e8
            else f"{self.n_bytes / 1e6:.3g} MB"
        )
        return f"{'about ' if self.rounded else ''}{size}{'' if self.whole else ' and more'}"


NO_SIZE = Size(0, whole=False)
"""Nobody says how much it is."""


@dataclass(frozen=True)
class Part:
    """One file, or several that are alike.

    size: bytes; about: bytes, rounded, where they are not known exactly. verified: whether a
    program may fetch it.
    """

    file: str
    verified: bool
    url: str = ""
    mirrors: tuple[str, ...] = ()
    size: int | None = None
    about: int | None = None
    md5: str = ""
    sha256: str = ""

    @property
    def amount(self) -> Size:
        """Exact or rounded."""
        if self.size is not None:
            return Size(self.size)
        return NO_SIZE if self.about is None else Size(self.about, rounded=True)

    def archive(self) -> dict[str, Any]:
        """As an entry of `archives` in a study file."""
        values = {
            "url": self.url,
            "sha256": self.sha256,
            "md5": self.md5,
            "size": self.size,
            "file": self.file,
            "mirrors": list(self.mirrors),
        }
        return {key: value for key, value in values.items() if value}


@dataclass(frozen=True)
class Distribution:
    """Data as their authors give them out; see the head of `distribution.yaml`."""

    name: str
    title: str
    purpose: str
    readers: tuple[str, ...]
    licence: str
    parts: tuple[Part, ...]
    read_as: str = ""
    obtain: str = ""
    person: str = ""
    unpacks_to: str = ""
    wrong: str = ""
    counts: str = ""
    noise: str = ""

    @property
    def hindrance(self) -> str:
        """Why no program can fetch it; "" where one can."""
        unverified = [part.file for part in self.parts if not part.verified]
        reasons = [self.person] if self.person else []
        if unverified:
            reasons.append(f"no verified address and checksum of {', '.join(unverified)}")
        return "; ".join(reasons)

    @property
    def size(self) -> "Size":
        """Of all parts."""
        return sum((part.amount for part in self.parts), Size(0))


@functools.cache
def distributions() -> tuple[Distribution, ...]:
    """All of them, in the order of the file."""
    read: dict[str, dict[str, Any]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return tuple(_distribution(name, entry) for name, entry in read.items())


def _distribution(name: str, entry: dict[str, Any]) -> Distribution:
    parts = tuple(
        Part(**part | {"mirrors": tuple(part.get("mirrors", ()))}) for part in entry["parts"]
    )
    return Distribution(name=name, **entry | {"readers": tuple(entry["readers"]), "parts": parts})


def _first(found: Iterable[Distribution]) -> Distribution | None:
    return next(iter(found), None)


def of_reader(corpus_type: str) -> Distribution | None:
    """How the data of a type of corpora are given out; None where it reads anything."""
    return _first(one for one in distributions() if corpus_type in one.readers)


def of_noise(kind: str) -> Distribution | None:
    """How a kind of noise is given out."""
    return _first(one for one in distributions() if one.noise == kind)


def size_of(checksum: str) -> Size:
    """The size, perhaps rounded, of a part that is known by its checksum."""
    for one in distributions():
        for part in one.parts:
            if checksum in (part.md5, part.sha256):
                return part.amount
    return NO_SIZE


def verified_archives() -> list[dict[str, Any]]:
    """Everything that a program may fetch."""
    return [part.archive() for one in distributions() for part in one.parts if part.verified]


def published_archives(corpus_type: str, place: str) -> list[dict[str, Any]]:
    """The archives of a corpus, as a study file would list them.

    Args:
        corpus_type: which reader.
        place: where `archives: published` stands, for messages.

    Raises:
        ConfigError: a person has to fetch it, or its parts are not all verified.
    """
    found = of_reader(corpus_type)
    if found is None:
        fetched = [reader for one in distributions() if not one.hindrance for reader in one.readers]
        raise ConfigError(
            f"{place}: nothing is published for corpora of type {corpus_type}; it works for "
            f"{', '.join(fetched)}"
        )
    return _archives(found, place)


def published_noise(kind: str, place: str) -> list[dict[str, Any]]:
    """The archives of a kind of noise, as :func:`published_archives` gives those of a corpus."""
    found = of_noise(kind)
    if found is None:
        raise ConfigError(f"{place}: nothing is published for noise of kind {kind}; give `path`")
    return _archives(found, place)


def _archives(found: Distribution, place: str) -> list[dict[str, Any]]:
    if found.hindrance:
        raise ConfigError(
            f"{place}: {found.title} cannot be fetched by a program: {found.hindrance}; give "
            "`path`, or list the archives yourself (docs/corpora.md)"
        )
    return [part.archive() for part in found.parts]
