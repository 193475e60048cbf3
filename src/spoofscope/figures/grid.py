"""Error rates over the points of a grid: curves of one axis, heat maps of more."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    BONAFIDE,
    COLOURS,
    COLUMN,
    ERRORS,
    PAGE,
    frame,
    new_figure,
    pages,
    panel_pages,
    people,
    percent,
    save,
)
from spoofscope.summaries.grid import axis_column
from spoofscope.tables import read_table

FIGURE = Figure(
    title="Error rates over a grid",
    shows="EER over the axes of a grid: points with their spread, or a heat map.",
    caption=(
        "Mean equal error rate over training seeds of every point; the first panel shows it on "
        "the data of the model selection. With one axis, thick bars are one standard deviation "
        "and thin lines reach from the lowest to the highest seed; with more axes, all maps have "
        "the same colours. The titles count the trials and the seeds. Marks show the best points "
        "on their development data; evaluation trials have no part in the choice. All metrics of "
        "all points are in tables/, those of a single point in grids/."
    ),
    needs="table_of_grid",
    place=610,
    section="grid",
)

_SPREAD = ("eer", "eer_sd", "eer_min", "eer_max")
_NUMBERS = (*_SPREAD, *(f"dev_{name}" for name in _SPREAD))
_COUNTS = ("n_bonafide", "n_spoof", "n_seeds")
_BEST = BONAFIDE
# Points that fit beside each other; columns of a map that stands beside another one.
_MOST_POINTS, _NARROW = 30, 6
# Inches of a row of a map, and around it; most rows of one.
_ROW, _AROUND, _MOST_ROWS = 0.26, 1.0, 30
_MOST_NUMBERS = 14
"""Columns of a map whose cells have room for numbers."""


def draw(table: str, axes: Sequence[tuple[str, Sequence[str]]], outputs: Mapping[str, str]) -> None:
    """Draw a panel per scored set; the first panel shows the data of the model selection.

    A grid of one axis is a row of points: mean EER over seeds, a thick bar for its standard
    deviation, a thin one from the lowest to the highest seed. With more axes, the axis with most
    values has the columns of a heat map, and combinations of the others have its rows; all maps
    have the same colours. Marks show the best points on their development data.

    Args:
        table: as `summaries.grid.grid_table` makes it.
        axes: every axis and its labels, in the order of the study file.
        outputs: `pdf`, `png`, `tsv`.
    """
    panels = _panels(_read(table, [axis for axis, _ in axes]))
    if len(axes) == 1:
        ((axis, labels),) = axes
        _curves(panels, axis, labels, outputs)
    else:
        _maps(panels, dict(axes), outputs)


def _read(path: str, axes: Collection[str]) -> pl.DataFrame:
    texts = ("best", "name", "dev", "corpus", "split", *map(axis_column, axes))
    required: dict[str, pl.DataType] = {
        **dict.fromkeys(texts, pl.String()),
        **dict.fromkeys(_COUNTS, pl.Int64()),
    }
    return read_table(path, required, dict.fromkeys(_NUMBERS, pl.Float64()))


def _panels(points: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Title to the points of a panel: their EER there as `eer`, with its spread."""
    panels = {}
    selected = points.unique("name", keep="first", maintain_order=True).filter(
        pl.col("dev_eer").is_not_null()
    )
    if selected.height:
        panels["model selection, dev"] = selected.with_columns(
            pl.col(f"dev_{name}").alias(name) for name in _SPREAD
        )
    for corpus, split in (
        points.select("corpus", "split").unique(maintain_order=True).sort("corpus", "split").rows()
    ):
        of_set = points.filter((pl.col("corpus") == corpus) & (pl.col("split") == split))
        panels[f"{people().trials(corpus, split)}\n{_counted(of_set)}"] = of_set
    return panels


def _counted(points: pl.DataFrame) -> str:
    """How many trials and trainings the error rates of a panel rest on."""
    said = []
    for name, one, many in zip(
        _COUNTS, ("bona fide", "spoof", "seed"), ("bona fide", "spoofs", "seeds"), strict=True
    ):
        low, high = points.select(pl.min(name), pl.max(name).alias("high")).row(0)
        number = f"{low}" if low == high else f"{low} to {high}"
        said.append(f"{number} {one if number == '1' else many}")
    return ", ".join(said)


def _numbers(panels: Mapping[str, pl.DataFrame], axes: Collection[str]) -> pl.DataFrame:
    columns = ["best", "name", *map(axis_column, axes), *_SPREAD]
    return pl.concat(
        [
            points.select(pl.lit(title.partition("\n")[0]).alias("panel"), *columns)
            for title, points in panels.items()
        ]
    )


def _curves(
    panels: Mapping[str, pl.DataFrame],
    axis: str,
    labels: Sequence[str],
    outputs: Mapping[str, str],
) -> None:
    columns = min(len(panels), max(1, _MOST_POINTS // len(labels)), 3)
    # Side by side there is room for about so many letters.
    turned = len(" ".join(labels)) > 75 // columns
    height = 2.25 + (0.05 * max(map(len, labels)) if turned else 0)
    narrow = len(panels) == 1 and len(labels) <= _MOST_POINTS // 2
    figures, drawn = panel_pages(len(panels), columns, height, width=None if narrow else PAGE)
    highest = 0.0
    for axes, (title, points) in zip(drawn, panels.items(), strict=True):
        known = points.filter(pl.col("eer").is_not_null())
        for row in known.iter_rows(named=True):
            x = labels.index(row[axis_column(axis)])
            is_best = row["best"] == "yes"
            colour = _BEST if is_best else COLOURS[0]
            mean, spread = 100 * row["eer"], 100 * (row["eer_sd"] or 0.0)
            axes.plot([x, x], [100 * row["eer_min"], 100 * row["eer_max"]], color=colour, lw=0.8)
            axes.plot([x, x], [max(mean - spread, 0), mean + spread], color=colour, lw=3, alpha=0.4)
            axes.plot(x, mean, "D" if is_best else "o", color=colour, markersize=4)
        axes.set_xlim(-0.6, len(labels) - 0.4)
        axes.set_xticks(range(len(labels)), labels, rotation=90 if turned else 0)
        axes.grid(visible=False, axis="x")
        axes.set_title(title, fontsize=8)
        axes.set_ylabel("EER (%)")
        axes.set_xlabel(axis)
        highest = max(highest, axes.get_ylim()[1])
    for axes in drawn:
        axes.set_ylim(0, highest)
    save(figures, outputs, _numbers(panels, [axis]))


def _maps(
    panels: Mapping[str, pl.DataFrame],
    axes: Mapping[str, Sequence[str]],
    outputs: Mapping[str, str],
) -> None:
    across = max(axes, key=lambda axis: len(axes[axis]))
    down = [axis for axis in axes if axis != across]
    grids = []
    for title, points in panels.items():
        rows = [
            labels
            for labels in itertools.product(*(axes[axis] for axis in down))
            if labels in points.select(map(axis_column, down)).rows()
        ]
        grids.append((title, points, rows))
    # Wide panels stand one below the other.
    columns = 1 if len(axes[across]) > _NARROW else min(len(panels), 2)
    parts = [
        (title, points, rows[start : start + _MOST_ROWS])
        for title, points, rows in grids
        for start in range(0, len(rows), _MOST_ROWS)
    ]
    lines = [parts[i : i + columns] for i in range(0, len(parts), columns)]
    heights = [_ROW * max(len(rows) for _, _, rows in line) + _AROUND for line in lines]
    # Over 50 % is worse than chance, and has the last colour.
    highest = max(
        [0.01, *(v for _, points, _ in grids for v in points["eer"].to_list() if v is not None)]
    )
    scale = (0.0, min(50.0, 100 * highest))
    narrow = len(parts) == 1 and len(axes[across]) <= _NARROW
    figures = []
    for page in pages(heights):
        of_page = [heights[i] for i in page]
        figure = new_figure(COLUMN if narrow else PAGE, sum(of_page))
        figures.append(figure)
        layout = figure.add_gridspec(len(page), columns, height_ratios=of_page)
        image: Any = None
        for row, i in enumerate(page):
            for column, (title, points, rows) in enumerate(lines[i]):
                panel = figure.add_subplot(layout[row, column])
                image = _heat_map(panel, points, rows, (down, across), axes[across], scale)
                panel.set_title(title, fontsize=8)
                panel.set_xlabel(across)
                if column == 0:
                    panel.set_ylabel(", ".join(down))
        extend = "max" if 100 * highest > 50 else "neither"
        shrink = min(1.0, 4 / sum(of_page))
        figure.colorbar(
            image, ax=figure.axes, label="EER (%)", pad=0.01, extend=extend, shrink=shrink
        )
    save(figures, outputs, _numbers(panels, axes))


def _heat_map(
    panel: Axes,
    points: pl.DataFrame,
    rows: Sequence[Sequence[str]],
    names: tuple[Sequence[str], str],
    columns: Sequence[str],
    scale: tuple[float, float],
) -> Any:
    down, across = names
    values = np.full((len(rows), len(columns)), np.nan)
    for point in points.iter_rows(named=True):
        i = rows.index(tuple(point[axis_column(axis)] for axis in down))
        j = columns.index(point[axis_column(across)])
        if point["eer"] is None:
            continue
        values[i, j] = 100 * point["eer"]
        dark = (values[i, j] - scale[0]) > 0.5 * (scale[1] - scale[0])
        if point["best"] == "yes":
            panel.add_patch(frame((j - 0.46, i - 0.44), 0.92, 0.88))
        if len(columns) > _MOST_NUMBERS:
            continue
        panel.text(
            j,
            i,
            percent(point["eer"]),
            ha="center",
            va="center",
            fontsize=7,
            color="white" if dark else "black",
        )
    image = panel.imshow(
        values, cmap=ERRORS, vmin=scale[0], vmax=scale[1], aspect="auto", interpolation="none"
    )
    panel.set_yticks(range(len(rows)), [" ".join(labels) for labels in rows])
    turned = max(map(len, columns)) > 4
    panel.set_xticks(range(len(columns)), columns, rotation=90 if turned else 0)
    panel.grid(visible=False)
    return image
