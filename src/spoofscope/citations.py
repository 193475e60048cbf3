"""Papers behind corpora, backbones, back-ends and effects of studies, from `citations.tsv`.

The file has a key, the kind of entry in BibTeX, authors, title, venue, year, DOI, and the parts of
studies that the paper is behind: `corpus:`, `backbone:`, `hub:`, `backend:` or `effect:` with the
name that it has here, `intervals`, or `software`.
"""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_FILE = Path(__file__).with_name("citations.tsv")


class Citation(NamedTuple):
    """One paper; see the module."""

    key: str
    kind: str
    author: str
    title: str
    venue: str
    year: str
    doi: str
    parts: str


@functools.cache
def all_citations() -> tuple[Citation, ...]:
    """Every paper, in the order of the file."""
    header, *lines = _FILE.read_text(encoding="utf-8").splitlines()
    if tuple(header.split("\t")) != Citation._fields:
        raise ValueError(f"{_FILE} has other columns than {', '.join(Citation._fields)}")
    return tuple(Citation(*line.split("\t")) for line in lines)


def behind(parts: Iterable[str]) -> tuple[Citation, ...]:
    """The papers behind some parts, each once, in the order of the file."""
    wanted = set(parts)
    return tuple(one for one in all_citations() if wanted & set(one.parts.split()))
