"""EER against measured costs, with the Pareto front."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.exhibits import Figure
from spoofscope.figures.style import legend_below, line_style, new_figure, save
from spoofscope.layers.depth import pareto_table
from spoofscope.summaries.inputs import read_metrics
from spoofscope.tables import read_table

FIGURE = Figure(
    title="Error rate against cost",
    shows="EER against measured parameters, latency and memory of SSL detectors.",
    caption=(
        "Equal error rate (mean over training seeds, bars are their standard deviation) over "
        "measured parameters, latency of a forward pass and peak memory; numbers beside points "
        "are numbers of transformer layers. Filled points, joined by the line, are not dominated: "
        "no other detector is better in error rate or cost and at least as good in the other. "
        "Each detector was measured in its own process on the same machine, which the figure "
        "names. Times and memory differ slightly between measurements."
    ),
    needs="measured_costs",
    place=360,
    section="layer",
    measured=True,
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
# In a panel with more detectors than this, only those on the front have a number.
_LABELLED = 8


def draw(
    curves: Mapping[str, Sequence[str]],
    metrics: Sequence[str],
    costs: str,
    outputs: Mapping[str, str],
) -> None:
    """Draw a row of panels per test set: EER over parameters, over latency and over peak memory.

    A point is a detector (mean EER over seeds, bars their sd), with the number of its transformer
    layers if there is room. Filled points, joined by the black line, are not dominated: no other
    detector is better in EER or cost and at least as good in the other.

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
    figure = new_figure(2.5 * len(_MEASURES) + 0.4, 2.3 * sets.height + 0.9)
    handles: dict[str, Any] = {}
    for i, (corpus, split) in enumerate(sets.rows()):
        of_set = table.filter((pl.col("corpus") == corpus) & (pl.col("split") == split))
        for j, (measure, (title, divisor)) in enumerate(_MEASURES.items()):
            axes = figure.add_subplot(sets.height, len(_MEASURES), i * len(_MEASURES) + j + 1)
            front = of_set.filter(pl.col(f"{measure}_front")).sort(measure)
            axes.plot(
                (front[measure] / divisor).to_list(),
                (100 * front["eer"]).to_list(),
                color="#333333",
                linewidth=0.9,
                zorder=1,
            )
            for row in of_set.iter_rows(named=True):
                group = group_of.get(row["run"], row["run"])
                index = groups.index(group)
                colour = line_style(index)["color"]
                x, y = row[measure] / divisor, 100 * row["eer"]
                handles.setdefault(
                    names.get(group, group),
                    axes.errorbar(
                        x,
                        y,
                        yerr=100 * (row["eer_sd"] or 0.0),
                        marker=_MARKERS[index % len(_MARKERS)],
                        markersize=4.5,
                        markerfacecolor=colour if row[f"{measure}_front"] else "white",
                        color=colour,
                        linestyle="none",
                        elinewidth=0.7,
                    ),
                )
                if row[f"{measure}_front"] or of_set.height <= _LABELLED:
                    axes.annotate(
                        str(row["n_layers"]),
                        (x, y),
                        xytext=(-3, -9),
                        textcoords="offset points",
                        fontsize=6,
                    )
            # From 0, and with room for the markers at the other end.
            axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
            axes.set_xlim(0, 1.05 * axes.get_xlim()[1])
            axes.set_xlabel(title)
            if j == 0:
                axes.set_ylabel(f"EER (%)\n{corpus}, {split}")
    legend_below(figure, list(handles.values()), list(handles))
    figure.suptitle(_conditions(measured), fontsize=7)
    save(figure, outputs, table)


def _conditions(measured: pl.DataFrame) -> str:
    """The machine and the conditions of the measurement."""
    first = measured.row(0, named=True)
    seconds = sorted(set(measured["seconds"].to_list()))
    lengths = " and ".join(f"{value:g}" for value in seconds)
    return (
        f"{first['device']}, {first['threads']} thread{'s' if first['threads'] > 1 else ''}, "
        f"batches of {first['batch_size']} × {lengths} s, median of {first['repeats']}"
    )
