"""Error rates over the severity of laundering."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    COLOURS,
    interval_words,
    legend_below,
    line_style,
    panel_pages,
    people,
    save,
)
from spoofscope.robustness.tables import CLEAN
from spoofscope.summaries.robustness import read_robustness

FIGURE = Figure(
    title="Robustness: error rates under laundering",
    shows="Error rates at the fixed threshold over the severity of codecs, noise and the like.",
    caption=(
        "Lines with filled markers: the mean of bona fide rejected and spoof accepted (HTER) at "
        "the threshold chosen before laundering, with 95 % intervals, from clean recordings on the "
        "left to the most severe chain. Open markers: the EER, with the best threshold for each "
        "point. A line that rises above its open markers belongs to a detector whose threshold no "
        "longer fits; open markers that rise belong to one that no longer tells the classes apart. "
        "One panel per change and set; the table has both kinds of error, and paired differences."
    ),
    needs="table_of_robustness",
    place=260,
    section="robustness",
)

_PER_ROW = 3
_AROUND = 0.4
"""Inches of the legend of a page."""
_AROUND_COLUMN, _MOST_AROUND = 0.15, 4.0
"""Inches of the legend of a column: for each of its lines, and at most."""
_APART = 0.08
"""Between detectors at one severity, so that their intervals stand beside each other, as a share of
a panel's width; where there are many, all of one severity take at most `_GROUP` of its room."""
_GROUP = 0.7


def draw(table: str, outputs: Mapping[str, str]) -> None:
    """Draw a panel per change and set, a line per detector.

    Args:
        table: the table of robustness.
        outputs: `pdf`, `png`, `tsv`.
    """
    shown = read_robustness(table).filter(pl.col("metric").is_in(["hter", "eer"]))
    names = shown["name"].unique(maintain_order=True).to_list()
    panels_of = (
        shown.filter(pl.col("change") != CLEAN)
        .select("corpus", "split", "change")
        .unique(maintain_order=True)
        .sort("corpus", "split", maintain_order=True)
        .rows()
    )
    highest = 105 * shown.select(pl.max_horizontal("value", "ci_high", 0.05).max()).item()
    in_column = min(_MOST_AROUND, _AROUND_COLUMN * (len(names) + 2))
    around = in_column if len(panels_of) == 1 else _AROUND
    figures, panels = panel_pages(len(panels_of), _PER_ROW, 2.2, around)
    for i, (axes, (corpus, split, change)) in enumerate(zip(panels, panels_of, strict=True)):
        of_set = shown.filter(pl.col("change").is_in([CLEAN, change]), corpus=corpus, split=split)
        title = change.replace("_", " ")
        if shown.select("corpus", "split").n_unique() > 1:
            title = f"{title}: {people().trials(corpus, split)}"
        axes.set_title(title, fontsize=8)
        apart = min(_APART * of_set["severity"].n_unique() - _APART, _GROUP / len(names))
        for number, name in enumerate(names):
            _line(axes, of_set.filter(name=name), number, apart * (number - (len(names) - 1) / 2))
        chains = of_set.filter(pl.col("severity") > 0)["chain"].unique(maintain_order=True)
        ticks = ["clean", *(chain.replace("_", " ") for chain in chains)]
        axes.set_xticks(range(len(ticks)), ticks, rotation=30, ha="right", rotation_mode="anchor")
        axes.set_ylim(0, highest)
        axes.grid(axis="x", visible=False)
        if i % _PER_ROW == 0:
            axes.set_ylabel("HTER and EER, %")
    handles: list[Any] = [
        Line2D([], [], marker="o", markersize=3.5, label=people().system(name), **line_style(i))
        for i, name in enumerate(names)
    ]
    grey: Any = {"linestyle": "none", "marker": "o", "color": "#555555"}
    low = shown.filter(metric="hter")["ci_low"]
    words = ["HTER at its threshold", *interval_words("95 % interval", low)]
    handles += [
        Line2D([], [], markersize=3.5, label=", ".join(words), **grey),
        Line2D([], [], mfc="white", label="EER", **grey),
    ]
    for figure in figures:
        legend_below(figure, handles, [str(handle.get_label()) for handle in handles])
    save(figures, outputs, shown)


def _line(axes: Axes, rows: pl.DataFrame, number: int, beside: float) -> None:
    """One detector under one change: HTER with intervals, and EER, beside their severities."""
    colour = COLOURS[number % len(COLOURS)]
    hter, eer = (rows.filter(metric=m).sort("severity") for m in ("hter", "eer"))
    places = [severity + beside for severity in hter["severity"]]
    for x, low, high in zip(places, hter["ci_low"], hter["ci_high"], strict=True):
        if low is not None:
            axes.plot([x, x], [100 * low, 100 * high], color=colour, linewidth=0.8)
    axes.plot(places, 100 * eer["value"], "o", color=colour, mfc="white", markersize=6)
    axes.plot(places, 100 * hter["value"], marker="o", markersize=3.5, **line_style(number))
