"""EER per condition, with intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from matplotlib.axes import Axes

from spoofscope.exhibits import Figure
from spoofscope.figures.style import COLOURS, legend_below, new_figure, save, system_labels
from spoofscope.names import ALL, POOLED
from spoofscope.summaries.inputs import read_metrics

FIGURE = Figure(
    title="Error rates per condition",
    shows="EER per condition with bootstrap intervals.",
    caption=(
        "Equal error rate with its 95 % bootstrap interval. An attack is compared with all bona "
        "fide clips; for other conditions both classes are of that level. The numbers of bona "
        "fide + spoofed clips are in brackets. A level has no interval if a class has fewer than "
        "two speakers (or clips, if these are resampled); a macro average over such a level has "
        "none either. Overlapping intervals do not prove equality."
    ),
    needs="shown_metrics",
    place=130,
)

_MARKERS = "osD^vP*X<>"


def draw(
    systems: Sequence[Mapping[str, Any]], metrics: Sequence[str], outputs: Mapping[str, str]
) -> None:
    """Draw one panel per (corpus, condition): a dot and a 95 % interval per system and level.

    Levels in which one class is missing have no EER and are left out; the table has the counts.

    Args:
        systems: id, seed and name of every system.
        metrics: metrics tables of the evaluation sets.
        outputs: `pdf`, `png`, `tsv`.
    """
    labels = system_labels(systems)
    table = read_metrics(metrics).filter(
        (pl.col("metric") == "eer") & pl.col("value").is_not_null()
    )
    panels = (
        table.select("corpus", "split", "condition")
        .unique(maintain_order=True)
        .sort("corpus", "split", pl.col("condition") != POOLED, "condition", maintain_order=True)
    )
    levels = [
        sorted(_rows(table, panel)["level"].unique().to_list())
        for panel in panels.iter_rows(named=True)
    ]
    spread = 0.085 * len(labels) + 0.12
    heights = [spread * len(names) + 0.5 for names in levels]
    columns = _two_columns(heights)
    figure = new_figure(7.4, max(sum(heights[i] for i in column) for column in columns) + 0.9)
    halves = figure.subfigures(1, len(columns), squeeze=False)[0]
    worst = max(
        [value for value in (table["ci_high"].max(), table["value"].max()) if value is not None]
    )
    handles: dict[str, Any] = {}
    for half, column in zip(halves, columns, strict=True):
        grid = half.add_gridspec(len(column), 1, height_ratios=[heights[i] for i in column])
        for place, i in enumerate(column):
            axes = half.add_subplot(grid[place])
            _panel(axes, table, panels.row(i, named=True), levels[i], labels)
            shown, names = axes.get_legend_handles_labels()
            handles = {**dict(zip(names, shown, strict=True)), **handles}
            axes.set_xlim(0, max(55.0, min(100.0, 105 * float(str(worst)))))
        axes.set_xlabel("EER (%), 95 % bootstrap interval")
    # Systems may be scored on other sets than those of the first panel.
    order = [label for label in labels.values() if label in handles]
    shown = [handles[label] for label in order]
    legend_below(figure, shown, order)
    save(figure, outputs, table.drop("metric"))


def _two_columns(heights: Sequence[float]) -> list[list[int]]:
    """Panels in order, split in two columns of about equal height; one column for one panel."""
    if len(heights) == 1:
        return [[0]]
    cut = min(range(1, len(heights)), key=lambda k: max(sum(heights[:k]), sum(heights[k:])))
    return [list(range(cut)), list(range(cut, len(heights)))]


def _panel(
    axes: Axes,
    table: pl.DataFrame,
    panel: Mapping[str, str],
    names: Sequence[str],
    labels: Mapping[tuple[str, int], str],
) -> None:
    rows = _rows(table, panel)
    for j, (system, seed) in enumerate(labels):
        of_system = rows.filter((pl.col("system") == system) & (pl.col("seed") == seed))
        offset = (j - (len(labels) - 1) / 2) * 0.8 / max(len(labels), 1)
        for row in of_system.iter_rows(named=True):
            y = names.index(row["level"]) + offset
            colour = COLOURS[j % len(COLOURS)]
            if row["ci_low"] is not None:
                axes.plot([100 * row["ci_low"], 100 * row["ci_high"]], [y, y], color=colour, lw=1)
            axes.plot(
                100 * row["value"],
                y,
                marker=_MARKERS[j % len(_MARKERS)],
                color=colour,
                markersize=3.2,
                linestyle="none",
                label=labels[system, seed],
            )
    for boundary in range(len(names) - 1):
        axes.axhline(boundary + 0.5, color="#d0d0d0", linewidth=0.6)
    axes.grid(visible=False, axis="y")
    axes.set_yticks(range(len(names)), [_level_label(rows, name) for name in names])
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_title(f"{panel['corpus']}, {panel['split']}: {panel['condition']}", loc="left")
    axes.axvline(50, color="#999999", linewidth=0.8, linestyle=":")


def _rows(table: pl.DataFrame, panel: Mapping[str, str]) -> pl.DataFrame:
    return table.filter(
        (pl.col("corpus") == panel["corpus"])
        & (pl.col("split") == panel["split"])
        & (pl.col("condition") == panel["condition"])
    )


def _level_label(rows: pl.DataFrame, level: str) -> str:
    row = rows.filter(pl.col("level") == level).row(0, named=True)
    # Of a condition that does not apply "-", as in the tables: "none" may be a level of its own.
    name = ALL if row["condition"] == POOLED else level
    return f"{name}\n({row['n_bonafide']} + {row['n_spoof']}){_without_interval(rows, level)}"


def _without_interval(rows: pl.DataFrame, level: str) -> str:
    """The remark about a level without an interval, if others have one."""
    none = rows.filter(pl.col("level") == level)["ci_low"].is_null().all()
    return "\nno interval" if none and rows["ci_low"].is_not_null().any() else ""
