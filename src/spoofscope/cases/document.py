"""The parts of a report, whatever it is written as."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind = Literal["plain", "result", "warning", "note"]


@dataclass(frozen=True)
class Heading:
    """The heading of a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; `result` and `warning` stand out, a `note` is small."""

    text: str
    kind: Kind = "plain"


@dataclass(frozen=True)
class Items:
    """A list."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table; columns in `right` are numbers. Without a header, the first column is one."""

    rows: tuple[tuple[str, ...], ...]
    header: tuple[str, ...] = ()
    right: frozenset[int] = frozenset()
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture. png: its file. alt: what it shows, for people who cannot see it. width: its share
    of the page's width."""

    png: bytes
    alt: str
    caption: str
    width: float = 1.0


Block: TypeAlias = Heading | Paragraph | Items | Table | Picture


@dataclass(frozen=True)
class Document:
    """A report. foot: what stands at the foot of every page."""

    title: str
    foot: str
    blocks: tuple[Block, ...]
