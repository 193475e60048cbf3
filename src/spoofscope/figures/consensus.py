"""Shares of trials that all detectors get right or wrong, by class and attack."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as PlotFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    BONAFIDE,
    PAGE,
    SPOOF,
    interval_words,
    legend_below,
    new_figure,
    pages,
    people,
    save,
)
from spoofscope.names import ALL
from spoofscope.summaries.consensus import read_consensus
from spoofscope.tables import LABELS

FIGURE = Figure(
    title="Trials that all detectors get right or wrong",
    shows="Shares of trials on which all detectors are right, or all wrong, by class and attack.",
    caption=(
        "Every detector decides by its own threshold, the one at equal error rate on development "
        "data. Left: the trials on which all are right (blue) or all are wrong (orange); in "
        "between they disagree. Right: the share that all get wrong, with its 95 % interval, and a "
        "diamond for the share that would be wrong for all if errors were independent. Of fewer "
        "than eight speakers (clips, if these are resampled) there is no interval. An interval "
        "that lies beyond its diamond stands for errors that the detectors share: no choice "
        "between their decisions mends these. Of all spoofs together, attacks that are hard for "
        "all detectors are reason enough for that. n: trials."
    ),
    needs="table_of_consensus",
    place=182,
)

_MIXED = "#dddddd"
# Inches of a row, of what stands around the rows of a set, and of the legend.
_ROW, _AROUND, _LEGEND = 0.17, 0.75, 0.35
_MOST_ROWS = 44
_DIAMOND: Any = {
    "marker": "D",
    "markersize": 5.0,
    "markerfacecolor": "none",
    "markeredgecolor": "black",
    "markeredgewidth": 0.7,
    "linestyle": "",
}


def draw(table: str, outputs: Mapping[str, str]) -> None:
    """Draw a line per class and attack, with two panels for each (corpus, split).

    Args:
        table: the table of consensus.
        outputs: `pdf`, `png`, `tsv`.
    """
    shares = read_consensus(table)
    blocks = []
    for (corpus, split), of_set in shares.group_by("corpus", "split", maintain_order=True):
        title = f"{people().trials(corpus, split)}: {of_set['detectors'][0]} detectors"
        blocks += [(title, part) for part in of_set.iter_slices(_MOST_ROWS)]
    heights = [_ROW * rows.height + _AROUND for _, rows in blocks]
    figures = []
    for page in pages(heights, _LEGEND):
        of_page = [heights[i] for i in page]
        figure = new_figure(PAGE, sum(of_page) + _LEGEND)
        figures.append(figure)
        parts = figure.subfigures(len(page), 1, squeeze=False, height_ratios=of_page)[:, 0]
        for part, i in zip(parts, page, strict=True):
            title, rows = blocks[i]
            part.suptitle(title, fontsize=8, x=0.01, ha="left")
            left, right = part.subplots(1, 2, sharey=True)
            for y, row in enumerate(rows.iter_rows(named=True)):
                _shares(left, y, row)
                _wrong(right, y, row)
            left.set_yticks(range(rows.height), map(_name, rows.iter_rows(named=True)))
            left.set_ylim(rows.height - 0.4, -0.6)
            left.set_xlim(0, 100)
            # Where nothing is wrong for all, an axis of tiny numbers would look like a result.
            right.set_xlim(0, max(1.0, right.get_xlim()[1]))
            left.set_xlabel("trials (%)")
            right.set_xlabel("wrong for all (%)")
            for axes in (left, right):
                axes.grid(visible=False, axis="y")
        _legend(figure, shares["ci_low"])
    save(figures, outputs, shares)


def _name(row: Mapping[str, Any]) -> str:
    if row["attack"] != ALL:
        name = people().attack(row["attack"])
    else:
        name = "bona fide" if row["label"] == LABELS[0] else "all spoofs"
    return f"{name} (n = {row['n']})"


def _shares(axes: Axes, y: int, row: Mapping[str, Any]) -> None:
    right, wrong = 100 * row["share_right"], 100 * row["share_wrong"]
    for start, width, colour in (
        (0.0, right, BONAFIDE),
        (right, 100 - right - wrong, _MIXED),
        (100 - wrong, wrong, SPOOF),
    ):
        axes.barh(y, width, 0.7, start, color=colour)


def _wrong(axes: Axes, y: int, row: Mapping[str, Any]) -> None:
    if row["ci_low"] is not None:
        axes.plot([100 * row["ci_low"], 100 * row["ci_high"]], [y, y], color=SPOOF, linewidth=1.0)
    # A marker at 0 is drawn whole.
    over: Any = {"clip_on": False, "zorder": 3}
    axes.plot(100 * row["share_wrong"], y, "o", color=SPOOF, markersize=3.5, **over)
    expected = 100 * row["expected_wrong"] / row["n"]
    axes.plot(expected, y, **_DIAMOND, **over)


def _legend(figure: PlotFigure, low: pl.Series) -> None:
    wrong = ", ".join(["all are wrong", *interval_words("95 % interval", low)])
    handles = {
        "all are right": Patch(color=BONAFIDE),
        "they disagree": Patch(color=_MIXED),
        wrong: Line2D([], [], color=SPOOF, marker="o", markersize=3.5),
        "if errors were independent": Line2D([], [], **_DIAMOND),
    }
    legend_below(figure, list(handles.values()), list(handles))
