"""EER against measured costs, with the Pareto front."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    PAGE,
    interval_words,
    legend_below,
    line_style,
    new_figure,
    pages,
    people,
    save,
)
from spoofscope.layers.depth import pareto_table
from spoofscope.summaries.inputs import read_metrics
from spoofscope.tables import read_table

FIGURE = Figure(
    title="Error rate against cost",
    shows="EER against measured parameters, latency and memory of SSL detectors.",
    caption=(
        "Equal error rate (mean over training seeds; bars are the 95 % interval of the first) over "
        "measured parameters, latency of a forward pass and peak memory, with the number of "
        "transformer layers. Filled points, joined by the line, are not dominated: "
        "no other detector is better in error rate or cost and at least as good in the other. "
        "Where bars overlap, more trials may change which points these are. "
        "Each detector was measured in its own process on the same machine, which the figure "
        "names. Times and memory differ slightly between measurements."
    ),
    needs="measured_costs",
    place=360,
    section="layer",
)

_COLUMNS: dict[str, pl.DataType] = {
    "run": pl.String(),
    "detector": pl.String(),
    "n_layers": pl.Int64(),
    "parameters": pl.Int64(),
    "ms_per_second": pl.Float64(),
    "peak_memory_mb": pl.Float64(),
    "device": pl.String(),
    "threads": pl.Int64(),
    "batch_size": pl.Int64(),
    "seconds": pl.Float64(),
    "repeats": pl.Int64(),
}
# Column to axis title and divisor.
_MEASURES: dict[str, tuple[str, float]] = {
    "parameters": ("parameters (millions)", 1e6),
    "ms_per_second": ("latency (ms per second of audio)", 1.0),
    "peak_memory_mb": ("peak memory (MB)", 1.0),
}
_MARKERS = "os^Dv<>Ph*"
# Inches of a line of panels, and of what is around all.
_HEIGHT, _AROUND = 2.1, 0.75
# In a panel with more detectors than this, only those on the front have a number.
_LABELLED = 8


def draw(
    curves: Mapping[str, Sequence[str]],
    metrics: Sequence[str],
    costs: str,
    outputs: Mapping[str, str],
) -> None:
    """Draw a row of panels per test set: EER over parameters, over latency and over peak memory.

    A point is a detector (mean EER over seeds, the 95 % interval of the first), with the number of
    its transformer layers if there is room. Filled points, joined by the black line, are not
    dominated: no other detector is better in EER or cost and at least as good in the other.

    Args:
        curves: name to run ids that share a colour, usually one architecture at several depths.
        metrics: metrics tables of the detectors on their test sets.
        costs: table of measured costs.
        outputs: `pdf`, `png`, `tsv`.
    """
    measured = read_table(costs, _COLUMNS)
    table = pareto_table(measured, read_metrics(metrics), list(_MEASURES))
    group_of = {run: name for name, runs in curves.items() for run in runs}
    groups = list(dict.fromkeys(group_of.get(run, run) for run in measured["run"]))
    names = dict(measured.select("run", "detector").rows())
    sets = table.select("corpus", "split").unique(maintain_order=True).sort("corpus", "split")
    figures = []
    for page in pages([_HEIGHT] * sets.height, _AROUND):
        figure = new_figure(PAGE, _HEIGHT * len(page) + _AROUND)
        figures.append(figure)
        handles: dict[str, Any] = {}
        panels = figure.subplots(len(page), len(_MEASURES), squeeze=False, sharey="row")
        for of_line, i in zip(panels, page, strict=True):
            corpus, split = sets.row(i)
            of_set = table.filter((pl.col("corpus") == corpus) & (pl.col("split") == split))
            of_line[0].set_ylabel(f"EER (%)\n{people().trials(corpus, split)}")
            for axes, measure in zip(of_line, _MEASURES, strict=True):
                for row in of_set.iter_rows(named=True):
                    group = group_of.get(row["run"], row["run"])
                    index = groups.index(group)
                    handles[people().system(names.get(group, group))] = Line2D(
                        [], [], **_look(index), markersize=4.5, linestyle="none"
                    )
                    is_named = of_set.height <= _LABELLED
                    _point(axes, row, measure, index, is_named, _is_below(row, of_set, measure))
                _front(axes, of_set, measure)
        for title, face in (("not dominated", "#333333"), ("dominated", "white")):
            handles[title] = Line2D(
                [], [], color="#333333", marker="o", markerfacecolor=face, markersize=4.5, ls="none"
            )
        for words in interval_words("95 % interval", table["eer_low"]):
            handles[words] = Line2D([], [], color="#333333", linewidth=0.7)
        legend_below(figure, list(handles.values()), list(handles))
        figure.suptitle(_conditions(measured), fontsize=7)
    save(figures, outputs, table)


# Share of the width of a panel within which words at the same height overlap.
_CLOSE = 0.25


def _look(index: int) -> dict[str, Any]:
    return {
        "color": line_style(index)["color"],
        "marker": _MARKERS[index % len(_MARKERS)],
    }


def _is_below(row: Mapping[str, Any], of_set: pl.DataFrame, measure: str) -> bool:
    """Whether another point is so close above a point that the words of this one stand below it."""
    spread = of_set.select(pl.col(measure).max() - pl.col(measure).min()).item()
    beside = (of_set[measure] - row[measure]).abs() <= _CLOSE * spread
    higher = (of_set["eer"] > row["eer"]) | (
        (of_set["eer"] == row["eer"]) & (of_set["run"] > row["run"])
    )
    return bool((beside & higher & (of_set["run"] != row["run"])).any())


def _point(
    axes: Axes, row: Mapping[str, Any], measure: str, index: int, named: bool, below: bool
) -> None:
    """One detector, with the interval of its first seed, and the number of its layers."""
    look = _look(index)
    at = row[measure] / _MEASURES[measure][1], 100 * row["eer"]
    on_front = row[f"{measure}_front"]
    if row["eer_low"] is not None:
        ends = [100 * row["eer_low"], 100 * row["eer_high"]]
        axes.plot([at[0], at[0]], ends, color=look["color"], linewidth=0.7)
    axes.plot(
        *at,
        **look,
        markersize=4.5,
        markerfacecolor=look["color"] if on_front else "white",
        linestyle="none",
    )
    if on_front or named:
        n = row["n_layers"]
        text = f"{n} layer{'s' if n != 1 else ''}"
        halo = [withStroke(linewidth=1.6, foreground="white")]
        look_of: Any = {"fontsize": 7, "ha": "center", "path_effects": halo, "zorder": 4}
        look_of |= {"va": "top" if below else "bottom"}
        axes.annotate(text, at, (0, -5 if below else 5), textcoords="offset points", **look_of)


def _front(axes: Axes, of_set: pl.DataFrame, measure: str) -> None:
    """The line through what is not dominated, and limits with room for markers and words."""
    title, divisor = _MEASURES[measure]
    front = of_set.filter(pl.col(f"{measure}_front")).sort(measure)
    x, y = (front[measure] / divisor).to_list(), (100 * front["eer"]).to_list()
    axes.plot(x, y, color="#333333", linewidth=0.9, zorder=1)
    axes.margins(0.18, 0.2)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(title)


def _conditions(measured: pl.DataFrame) -> str:
    """The machine and the conditions of the measurement."""
    first = measured.row(0, named=True)
    seconds = sorted(set(measured["seconds"].to_list()))
    lengths = " and ".join(f"{value:g}" for value in seconds)
    return (
        f"{first['device']}, {first['threads']} thread{'s' if first['threads'] > 1 else ''}, "
        f"batches of {first['batch_size']} × {lengths} s, median of {first['repeats']}"
    )
