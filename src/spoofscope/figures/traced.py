"""What figures of source tracing share: the size of a page, and names that fit on it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.figures.fitting import shortened
from spoofscope.figures.style import people
from spoofscope.summaries.traced import UNCHECKED
from spoofscope.tracing.systems import KNOWN

_LONGEST = 23
_LINE = 0.11
"""Inches of a line of the smallest letters."""


def short_names(names: Sequence[str], longest: int = _LONGEST) -> list[str]:
    """Names of attacks that fit beside a panel, different ones still different."""
    found: list[str] = []
    for name in names:
        short = shortened(people().attack(name), longest)
        same = sum(other == short or other.startswith(f"{short} #") for other in found)
        found.append(f"{short} #{same + 1}" if same else short)
    return found


def counted_names(names: Sequence[str], counts: Mapping[str, int]) -> list[str]:
    """Names of attacks, each with its number of clips in brackets."""
    behind = [f" ({counts[name]})" for name in names]
    # What is wider makes the figure grow beyond the page, see `fitting.fit_names`.
    short = short_names(names, _LONGEST - max(map(len, behind), default=0))
    return [name + number for name, number in zip(short, behind, strict=True)]


def named_places(n: int, inches: float) -> range:
    """Which of `n` places in a row, each so many inches wide, have a name: all that have room."""
    return range(0, n, max(1, math.ceil(_LINE / inches)))


def attacks_in(clips: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Names of the known attacks of traced clips, by their number, and of the unknown ones."""
    known, unknown = (clips.filter(known=word) for word in KNOWN)
    numbers = dict(known.select("attack", "known_id").iter_rows())
    return sorted(numbers, key=numbers.__getitem__), sorted(set(unknown["attack"]))


def unchecked(settings: Mapping[str, Any]) -> list[str]:
    """Words for the title of a panel, where dev could not show which sign of a score is right.

    In one line they are wider than a panel of three beside each other.
    """
    return [] if settings["meta"]["dev_auroc"] else [f"polarity {UNCHECKED}".replace(": ", ":\n")]


def panel_title(entry: Mapping[str, Any], traced: Sequence[Mapping[str, Any]]) -> str:
    """The tracer, and the set where there are several."""
    several = len({(one["corpus"], one["split"]) for one in traced}) > 1
    where = f"\n{people().trials(entry['corpus'], entry['split'])}" if several else ""
    return f"{people().system(entry['name'])}{where}"
