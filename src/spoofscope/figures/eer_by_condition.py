"""EER per condition, with intervals."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    CHANCE,
    COLUMN,
    PAGE,
    TALLEST,
    interval_words,
    legend_below,
    mark_style,
    new_figure,
    pages,
    people,
    save,
    system_labels,
)
from spoofscope.names import POOLED
from spoofscope.summaries.inputs import read_metrics

FIGURE = Figure(
    title="Error rates per condition",
    shows="EER per condition with bootstrap intervals.",
    caption=(
        "Equal error rate with its 95 % bootstrap interval. An attack is compared with all bona "
        "fide clips; for other conditions both classes are of that level. The numbers of bona "
        "fide and of spoofed clips are in brackets. A level has no interval if a class has fewer "
        "than two speakers (or clips, if these are resampled); a macro average over such a level "
        "has none either. Systems stand below each other in the order of the key. Overlapping "
        "intervals do not prove equality."
    ),
    needs="shown_metrics",
    place=130,
)

# Inches: of a system at a level, between levels, around a panel, and of axis and legend of a page.
_SYSTEM, _LEVEL, _PANEL, _AROUND = 0.085, 0.2, 0.5, 1.1
# Inches: of a second line of a title.
_LINE = 0.14


class _Panel(NamedTuple):
    """Some levels of a condition, and the inches that they need."""

    corpus: str
    split: str
    condition: str
    levels: list[str]
    height: float


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
    panels = _panels(table, len(labels))
    worst = max(
        [value for value in (table["ci_high"].max(), table["value"].max()) if value is not None]
    )
    highest = max(55.0, min(100.0, 105 * float(str(worst))))
    figures = []
    sheets = _pages([panel.height for panel in panels])
    width = PAGE if max(map(len, sheets)) == 2 else COLUMN
    for columns in sheets:
        height = max(sum(panels[i].height for i in column) for column in columns) + _AROUND
        figure = new_figure(width, min(TALLEST, height))
        figures.append(figure)
        handles: dict[str, Any] = {}
        halves = figure.subfigures(1, 2 if width == PAGE else 1, squeeze=False)[0]
        for half, column in zip(halves, columns, strict=False):
            used = [panels[i].height for i in column]
            # The last line is what a column is shorter than the page.
            rest = max(height - _AROUND - sum(used), 0.01)
            grid = half.add_gridspec(len(column) + 1, 1, height_ratios=[*used, rest])
            for place, i in enumerate(column):
                axes = half.add_subplot(grid[place])
                _draw_panel(axes, table, panels[i], labels)
                shown, names = axes.get_legend_handles_labels()
                handles = {**dict(zip(names, shown, strict=True)), **handles}
                axes.set_xlim(0, highest)
            words = ", ".join(["EER (%)", *interval_words("95 % interval", table["ci_low"])])
            # A label that is wider than its axes presses them together.
            axes.set_xlabel(f"{words}\n(bona fide + spoofed clips)")
        # Systems may be scored on other sets than those of the first panel.
        order = [label for label in labels.values() if label in handles]
        chance = Line2D([], [], **CHANCE)
        legend_below(figure, [*(handles[label] for label in order), chance], [*order, "chance"])
    save(figures, outputs, table.drop("metric"))


def _panels(table: pl.DataFrame, n_systems: int) -> list[_Panel]:
    """Every condition of every set, in parts that are no higher than a page."""
    line = max(_SYSTEM * n_systems + 0.12, _LEVEL)
    # Parts of half a column fill columns better than whole ones.
    most = max(1, int(((TALLEST - _AROUND) / 2 - _PANEL) / line))
    conditions = (
        table.select("corpus", "split", "condition")
        .unique(maintain_order=True)
        .sort("corpus", "split", pl.col("condition") != POOLED, "condition", maintain_order=True)
    )
    panels = []
    for place in conditions.iter_rows():
        levels = sorted(_rows(table, place)["level"].unique().to_list())
        for start in range(0, len(levels), most):
            some = levels[start : start + most]
            corpus, split, condition = place
            height = line * len(some) + _PANEL
            if _lacks_intervals(_rows(table, place), table):
                height += _LINE
            panels.append(_Panel(corpus, split, condition, some, height))
    return panels


def _pages(heights: Sequence[float]) -> list[list[list[int]]]:
    """Of every page its columns, and of each column its panels."""
    columns = pages(heights, _AROUND)
    if len(columns) <= 2:
        return [_two_columns(heights)]
    return [columns[i : i + 2] for i in range(0, len(columns), 2)]


def _two_columns(heights: Sequence[float]) -> list[list[int]]:
    """Panels in order, split in two columns of about equal height; one column for one panel."""
    if len(heights) == 1:
        return [[0]]
    cut = min(range(1, len(heights)), key=lambda k: max(sum(heights[:k]), sum(heights[k:])))
    return [list(range(cut)), list(range(cut, len(heights)))]


def _draw_panel(
    axes: Axes, table: pl.DataFrame, panel: _Panel, labels: Mapping[tuple[str, int], str]
) -> None:
    rows = _rows(table, panel[:3])
    names = panel.levels
    for j, (system, seed) in enumerate(labels):
        of_system = rows.filter((pl.col("system") == system) & (pl.col("seed") == seed))
        offset = (j - (len(labels) - 1) / 2) * 0.8 / max(len(labels), 1)
        for row in of_system.filter(pl.col("level").is_in(names)).iter_rows(named=True):
            y = names.index(row["level"]) + offset
            style = mark_style(j)
            if row["ci_low"] is not None:
                ends = [100 * row["ci_low"], 100 * row["ci_high"]]
                axes.plot(ends, [y, y], color=style["color"], lw=1)
            axes.plot(
                100 * row["value"],
                y,
                **style,
                markersize=3.2,
                linestyle="none",
                # A marker at 0 % is whole.
                clip_on=False,
                zorder=3,
                label=labels[system, seed],
            )
    for boundary in range(len(names) - 1):
        axes.axhline(boundary + 0.5, color="#d0d0d0", linewidth=0.6)
    axes.grid(visible=False, axis="y")
    axes.set_yticks(range(len(names)), [_level_label(rows, name) for name in names])
    axes.set_ylim(len(names) - 0.45, -0.55)
    trials = people().trials(panel.corpus, panel.split)
    title = f"{trials}: {people().condition(panel.condition)}"
    if _lacks_intervals(rows, table):
        title += "\n(no intervals)"
    axes.set_title(title, loc="left")
    axes.axvline(50, **CHANCE)


def _rows(table: pl.DataFrame, place: Sequence[Any]) -> pl.DataFrame:
    corpus, split, condition = place
    return table.filter(corpus=corpus, split=split, condition=condition)


def _level_label(rows: pl.DataFrame, level: str) -> str:
    row = rows.filter(pl.col("level") == level).row(0, named=True)
    # Of a condition that does not apply "-", as in the tables: "none" may be a level of its own.
    name = people().level(row["condition"], level)
    return f"{name}\n({row['n_bonafide']} + {row['n_spoof']}){_without_interval(rows, level)}"


def _lacks_intervals(rows: pl.DataFrame, table: pl.DataFrame) -> bool:
    """Whether rows of a figure have no interval at all, and others have one."""
    return bool(rows["ci_low"].is_null().all() and table["ci_low"].is_not_null().any())


def _without_interval(rows: pl.DataFrame, level: str) -> str:
    """The remark about a level without an interval, if others of the condition have one."""
    none = rows.filter(pl.col("level") == level)["ci_low"].is_null().all()
    return "\nno interval" if none and rows["ci_low"].is_not_null().any() else ""
