"""Differences between detectors, with their significance."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    BONAFIDE,
    PAGE,
    SPOOF,
    legend_below,
    new_figure,
    pages,
    people,
    save,
)
from spoofscope.metrics.paired import ALPHA, METRICS
from spoofscope.summaries.comparisons import read_comparisons, within_reach

FIGURE = Figure(
    title="Which detectors differ",
    shows="Paired differences between systems on the same trials, with their significance.",
    caption=(
        "The figure compares every two systems on the same resampled trials: the first minus the "
        "second, with the 95 % interval of the difference; left of zero the first is better. At "
        "the right stands p after Holm's correction over the pairs of a set. Filled and coloured: "
        "significant (p < 0.05), blue where the first is better, orange where the second is. Open "
        "and grey: not significant, which does not prove equality."
    ),
    needs="table_of_comparisons",
    place=160,
)

# Title of the axis, and factor of each metric.
_SHOWN: dict[str, tuple[str, float]] = {
    "eer": ("difference of EER (percentage points)", 100.0),
    "min_dcf": ("difference of minDCF", 1.0),
}
_GREY = "#777777"
# Inches of a pair, of what stands around the pairs of a set, and of the legend.
_PAIR, _AROUND, _LEGEND = 0.17, 0.85, 0.35
_MOST_PAIRS = 44
"""Of one panel; more pairs go on in another one."""


def draw(table: str, outputs: Mapping[str, str]) -> None:
    """Draw a line per pair of systems, a panel per metric, for each (corpus, split).

    Args:
        table: the table of comparisons.
        outputs: `pdf`, `png`, `tsv`.
    """
    compared = read_comparisons(table)
    blocks = []
    for (corpus, split), of_set in compared.group_by("corpus", "split", maintain_order=True):
        pairs = of_set.select("first", "second").unique(maintain_order=True)
        title = people().trials(corpus, split)
        if (why := within_reach(of_set)) is not None:
            title += f": {why}"
        for start in range(0, pairs.height, _MOST_PAIRS):
            some = pairs.slice(start, _MOST_PAIRS)
            part = of_set.join(some, on=["first", "second"], how="semi", maintain_order="left")
            blocks.append((title, some.rows(), part))
    heights = [_PAIR * len(pairs) + _AROUND for _, pairs, _ in blocks]
    figures = []
    for page in pages(heights, _LEGEND):
        of_page = [heights[i] for i in page]
        figure = new_figure(PAGE, sum(of_page) + _LEGEND)
        figures.append(figure)
        parts = figure.subfigures(len(page), 1, squeeze=False, height_ratios=of_page)[:, 0]
        for part, i in zip(parts, page, strict=True):
            title, names, of_block = blocks[i]
            part.suptitle(title, fontsize=8, x=0.01, ha="left")
            panels = part.subplots(1, len(METRICS), sharey=True)
            for axes, metric in zip(panels, METRICS, strict=True):
                _panel(axes, of_block.filter(metric=metric), metric)
            panels[0].set_yticks(
                range(len(names)),
                [f"{people().system(a)} − {people().system(b)}" for a, b in names],
            )
            panels[0].set_ylim(len(names) - 0.4, -0.6)
        _legend(figure)
    save(figures, outputs, compared)


def _panel(axes: Axes, rows: pl.DataFrame, metric: str) -> None:
    title, factor = _SHOWN[metric]
    axes.axvline(0, color="#999999", linewidth=0.8)
    for y, row in enumerate(rows.iter_rows(named=True)):
        difference, p = row["difference"] * factor, row["p_holm"]
        is_significant = p is not None and p < ALPHA
        colour = (BONAFIDE if difference < 0 else SPOOF) if is_significant else _GREY
        if row["ci_low"] is not None:
            ends = [row["ci_low"] * factor, row["ci_high"] * factor]
            axes.plot(ends, [y, y], color=colour, linewidth=1.0)
        face = colour if is_significant else "white"
        axes.plot(difference, y, "o", color=colour, markerfacecolor=face, markersize=3.5)
        axes.text(
            1.01,
            y,
            "-" if p is None else _p(p),
            fontsize=7,
            fontweight="bold" if is_significant else "normal",
            va="center",
            transform=axes.get_yaxis_transform(),
        )
    axes.text(1.01, 1.0, "p", fontsize=7, va="bottom", transform=axes.transAxes)
    axes.set_xlabel(title)
    axes.grid(visible=False, axis="y")


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _legend(figure: Any) -> None:
    looks = {
        "first is better, significant": (BONAFIDE, BONAFIDE),
        "second is better, significant": (SPOOF, SPOOF),
        "not significant": (_GREY, "white"),
    }
    handles = [
        Line2D([], [], color=edge, marker="o", markerfacecolor=face, markersize=3.5, label=words)
        for words, (edge, face) in looks.items()
    ]
    legend_below(figure, handles, list(looks))
