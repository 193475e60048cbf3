"""Panels of paired differences: a line each, with its interval and p after correction."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spoofscope.figures.style import (
    BONAFIDE,
    PAGE,
    SPOOF,
    interval_words,
    legend_below,
    new_figure,
    pages,
)
from spoofscope.metrics.paired import ALPHA, METRICS
from spoofscope.p_values import p_text

# Inches of a line, of what stands around the lines of a block, of each further line of its title,
# and of the legend; characters of a title that the width of a page has room for.
_LINE, _AROUND, _TITLE, _LEGEND = 0.17, 0.85, 0.14, 0.35
_LONGEST = 108

MOST_LINES = 42
"""Of one panel; more lines go on in another one."""

GREY = "#777777"


class Block(NamedTuple):
    """Lines under one title: their names, and the rows of each metric in the same order."""

    title: str
    names: Sequence[str]
    rows: pl.DataFrame


def draw_blocks(
    blocks: Sequence[Block],
    column: str,
    shown: Mapping[str, tuple[str, float]],
    better: str,
    worse: str,
    lower_is_better: bool,
) -> list[Figure]:
    """Draw a panel per metric for each block, on as many pages as they need.

    Args:
        blocks: at most `MOST_LINES` lines each.
        column: the difference, among the columns that :func:`differences` reads.
        shown: metric to the title of its axis, and the factor of its differences.
        better, worse: what the two sides of zero mean, for the legend.
        lower_is_better: which side is the better one.
    """
    titles = [_wrapped(block.title) for block in blocks]
    heights = [
        _LINE * len(block.names) + _AROUND + _TITLE * title.count("\n")
        for block, title in zip(blocks, titles, strict=True)
    ]
    figures = []
    for page in pages(heights, _LEGEND):
        of_page = [heights[i] for i in page]
        figure = new_figure(PAGE, sum(of_page) + _LEGEND)
        figures.append(figure)
        parts = figure.subfigures(len(page), 1, squeeze=False, height_ratios=of_page)[:, 0]
        for part, i in zip(parts, page, strict=True):
            _, names, rows = blocks[i]
            part.suptitle(titles[i], fontsize=8, x=0.01, ha="left")
            panels = part.subplots(1, len(METRICS), sharey=True)
            for axes, metric in zip(panels, METRICS, strict=True):
                label, factor = shown[metric]
                of_metric = differences(rows.filter(metric=metric), column, factor)
                panel(axes, of_metric, lower_is_better)
                axes.set_xlabel(label)
            panels[0].set_yticks(range(len(names)), names)
            panels[0].set_ylim(len(names) - 0.4, -0.6)
        legend(figure, better, worse, pl.concat(block.rows["ci_low"] for block in blocks))
    return figures


def _wrapped(title: str) -> str:
    """A title whose lines are no wider than a page."""
    return "\n".join(textwrap.fill(line, _LONGEST) for line in title.split("\n"))


class Difference(NamedTuple):
    """A difference in the unit of its panel; an interval, or p, that there is not is None."""

    value: float
    low: float | None
    high: float | None
    p: float | None


def differences(rows: pl.DataFrame, column: str, factor: float) -> list[Difference]:
    """The differences of a table with ci_low, ci_high and p_holm, times a factor."""

    def scaled(value: float | None) -> float | None:
        return None if value is None else value * factor

    return [
        Difference(
            row[column] * factor, scaled(row["ci_low"]), scaled(row["ci_high"]), row["p_holm"]
        )
        for row in rows.iter_rows(named=True)
    ]


def panel(axes: Axes, differences: Iterable[Difference], lower_is_better: bool) -> None:
    """Draw differences from top to bottom, at y = 0, 1, ..."""
    axes.axvline(0, color="#999999", linewidth=0.8)
    for y, (value, low, high, p) in enumerate(differences):
        is_significant = p is not None and p < ALPHA
        is_better = (value < 0) == lower_is_better
        colour = (BONAFIDE if is_better else SPOOF) if is_significant else GREY
        if low is not None and high is not None:
            axes.plot([low, high], [y, y], color=colour, linewidth=1.0)
        face = colour if is_significant else "white"
        axes.plot(value, y, "o", color=colour, markerfacecolor=face, markersize=3.5)
        axes.text(
            1.01,
            y,
            "-" if p is None else p_text(p),
            fontsize=7,
            fontweight="bold" if is_significant else "normal",
            va="center",
            transform=axes.get_yaxis_transform(),
        )
    axes.text(1.01, 1.0, "p (Holm)", fontsize=7, va="bottom", transform=axes.transAxes)
    axes.locator_params(axis="x", nbins=6)
    axes.grid(visible=False, axis="y")


def legend(figure: Figure, better: str, worse: str, low: pl.Series) -> None:
    """Say what the colours and lines of panels mean; `low`: lower ends of intervals, or null."""
    looks = {
        f"{better}, significant": (BONAFIDE, BONAFIDE),
        f"{worse}, significant": (SPOOF, SPOOF),
        "not significant": (GREY, "white"),
    }
    handles = [
        Line2D([], [], color=edge, marker="o", markerfacecolor=face, markersize=3.5, label=words)
        for words, (edge, face) in looks.items()
    ]
    for words in interval_words("95 % interval", low):
        handles.append(Line2D([], [], color=GREY, linewidth=1.0, label=words))
    legend_below(figure, handles, [str(handle.get_label()) for handle in handles])
