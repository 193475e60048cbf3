"""Numbers that others published, from `literature.tsv`, to be set beside those of a study.

The file holds facts alone: section (of a study), name of the system and what it is, corpus and
split, what decides about unknown attacks ("-" for none, `decision` for decisions with bona fide
speech), the metric by the name that it has here, the value with its published digits, the number of
seeds ("-" if it is not said), the source, the place in it, and why no run here can be compared with
it ("-" where one can).
"""

import functools
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import NamedTuple

_FILE = Path(__file__).with_name("literature.tsv")


class Reference(NamedTuple):
    """One published number; see the module."""

    section: str
    name: str
    system: str
    corpus: str
    split: str
    decides: str
    metric: str
    value: str
    seeds: str
    source: str
    place: str
    unlike: str


@functools.cache
def references_of(section: str) -> tuple[Reference, ...]:
    """The numbers that belong to a section of a study, in the order of the file."""
    header, *lines = _FILE.read_text(encoding="utf-8").splitlines()
    if tuple(header.split("\t")) != Reference._fields:
        raise ValueError(f"{_FILE} has other columns than {', '.join(Reference._fields)}")
    references = (Reference(*line.split("\t")) for line in lines)
    return tuple(one for one in references if one.section == section)


def same_digits(value: float, published: str) -> bool:
    """Whether a value, rounded to the digits of a published one, is that one.

    A value in the middle, such as 26.25 % of 80 trials, may have been rounded up or down.
    """
    # What computing adds to a value in the middle is behind its twelfth digit.
    exact = Decimal(f"{value:.12g}")
    last = Decimal(1).scaleb(-len(published.partition(".")[2]))
    return published in {str(exact.quantize(last, way)) for way in (ROUND_HALF_UP, ROUND_HALF_DOWN)}
