"""Error rates against the strength of masks, and of random masks of the same size, or energy."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    BONAFIDE,
    COLUMN,
    PAGE,
    SPOOF,
    interval_words,
    legend_below,
    new_figure,
    note,
    pages,
    people,
    save,
)
from spoofscope.names import BOTH, ENERGY, SIZE
from spoofscope.summaries.masking import read_masking

FIGURE = Figure(
    title="What detectors hear: error rates under masks",
    shows="Change of both error rates with the strength of every mask and of random masks.",
    caption=(
        "Change of the share of bona fide clips that are rejected (blue) and of spoofs that are "
        "accepted (orange), at the threshold chosen before masking, in percentage points. Filled "
        "markers and solid lines: the mask, with the 95 % interval of the paired difference from "
        "unmasked clips. Open circles and dashed lines: random masks of the same size (of the same "
        "energy, too, where there are no squares); open squares and dotted lines: of the same "
        "energy; means over controls. A mask with several variants is shown at its greatest "
        "strength. Only what a mask changes beyond all its random masks is evidence that the "
        "detector hears what was masked; the table has the tests. Panels marked with ° show the "
        "form of the publication."
    ),
    needs="table_of_masking",
    place=240,
    section="masking",
)

_PER_ROW = 4
_AROUND, _NARROW_AROUND = 0.35, 1.0
"""Inches of the legend, side by side and one below the other."""
_RATES = {
    "bonafide_rejected": ("bona fide rejected", BONAFIDE, -1),
    "spoof_accepted": ("spoof accepted", SPOOF, 1),
}
_FAMILIES = ((SIZE, BOTH), (ENERGY,))
_RANDOM = (("random masks, same size", "o", "--"), ("random masks, same energy", "s", ":"))
# More bands than this have an axis in kHz.
_FEW = 4


def draw(table: str, outputs: Mapping[str, str]) -> None:
    """Draw a block of panels per detector and set, one panel per mask.

    Args:
        table: the table of masking.
        outputs: `pdf`, `png`, `tsv`.
    """
    shown = read_masking(table).filter(pl.col("metric").is_in(list(_RATES)))
    blocks = shown.select("name", "corpus", "split").unique(maintain_order=True).rows()
    masks = shown["mask"].unique(maintain_order=True).to_list()
    rows = math.ceil(len(masks) / _PER_ROW)
    columns = min(_PER_ROW, len(masks))
    heights = [1.5 * rows + 0.25] * len(blocks)
    width, around = (COLUMN, _NARROW_AROUND) if columns == 1 else (PAGE, _AROUND)
    figures = []
    for page in pages(heights, around):
        figure = new_figure(width, heights[0] * len(page) + around)
        figures.append(figure)
        halves = figure.subfigures(len(page), 1, squeeze=False)[:, 0]
        for half, i in zip(halves, page, strict=True):
            name, corpus, split = blocks[i]
            of_block = shown.filter(name=name, corpus=corpus, split=split)
            half.suptitle(
                f"{people().system(name)} on {people().trials(corpus, split)}",
                fontsize=8,
                x=0.01,
                ha="left",
            )
            panels = half.subplots(rows, columns, squeeze=False, sharey=True).ravel()
            for axes, mask in zip(panels, masks, strict=False):
                _panel(axes, of_block.filter(mask=mask))
            for axes in panels[len(masks) :]:
                axes.set_axis_off()
            for axes in panels[: len(masks) : columns]:
                axes.set_ylabel("change, points")
        low = shown.filter(against="unmasked")["ci_low"]
        _legend(figure, low, as_published="yes" in shown["as_published"])
    save(figures, outputs, shown)


def _legend(figure: Any, low: pl.Series, as_published: bool) -> None:
    handles = [
        Line2D([], [], color=colour, marker="o", markersize=3, label=words)
        for words, colour, _ in _RATES.values()
    ]
    for words, marker, line in _RANDOM:
        random: Any = {"linestyle": line, "marker": marker, "markerfacecolor": "white"}
        handles.append(Line2D([], [], color="#555555", markersize=3, label=words, **random))
    for words in interval_words("95 % interval", low):
        handles.append(Line2D([], [], color="#555555", linewidth=0.8, label=words))
    if as_published:
        handles.append(note("° as published"))
    legend_below(figure, handles, [str(handle.get_label()) for handle in handles])


def _panel(axes: Axes, rows: pl.DataFrame) -> None:
    """One mask: dose and response, or variants side by side at the greatest strength."""
    first = rows.row(0, named=True)
    mark = "°" if first["as_published"] == "yes" else ""
    axes.set_title(first["mask"].replace("_", " ") + mark, fontsize=8)
    axes.axhline(0, color="#999999", linewidth=0.6)
    variants = rows["variant"].unique(maintain_order=True).to_list()
    strongest = rows.filter(pl.col("strength") == pl.col("strength").max())
    if len(variants) == 1:
        _curves(axes, rows.sort("strength"), [0.0], rows["strength"].unique().sort().to_list())
        axes.set_xlabel(f"strength, {first['unit']}")
    elif first["type"] == "band" and len(variants) > _FEW:
        centres = {name: _centre(name) for name in variants}
        order = sorted(variants, key=lambda name: centres[name])
        places = strongest["variant"].replace_strict(centres, return_dtype=pl.Float64)
        placed = strongest.with_columns(places.alias("x")).sort("x")
        _curves(axes, placed, [], [centres[name] for name in order], "x")
        axes.set_xlabel(f"centre, kHz, at {strongest['strength'][0]:g} {first['unit']}")
    else:
        if first["type"] == "band":
            variants.sort(key=_centre)
        numbers = {name: float(i) for i, name in enumerate(variants)}
        places = strongest["variant"].replace_strict(numbers, return_dtype=pl.Float64)
        placed = strongest.with_columns(places.alias("x")).sort("x")
        _curves(axes, placed, [], list(numbers.values()), "x", joined=False)
        axes.set_xticks(range(len(variants)), variants, rotation=40, ha="right")
        axes.set_xlim(-0.5, len(variants) - 0.5)
        axes.set_xlabel(f"at strength {strongest['strength'][0]:g}, {first['unit']}")


def _curves(
    axes: Axes,
    rows: pl.DataFrame,
    origin: Sequence[float],
    places: Sequence[float],
    column: str = "strength",
    joined: bool = True,
) -> None:
    """Both rates of the mask and of its controls against a column; `origin`: where all are 0."""
    # Beside each other, so that intervals do not hide each other.
    whole = [*origin, *places]
    apart = 0.015 * (max(whole) - min(whole)) if joined else 0.1
    for metric, (_, colour, side) in _RATES.items():
        of_metric = rows.filter(metric=metric)
        mask = of_metric.filter(against="unmasked")
        line = "-" if joined else "none"
        x = np.array([*origin, *(mask[column] + side * apart)])
        y = 100 * np.array([0.0] * len(origin) + mask["difference"].to_list())
        axes.plot(x, y, linestyle=line, color=colour, marker="o", markersize=3, linewidth=1.1)
        for at, low, high in zip(x[len(origin) :], mask["ci_low"], mask["ci_high"], strict=True):
            if low is not None:
                axes.plot([at, at], [100 * low, 100 * high], color=colour, linewidth=0.8)
        for families, (_, marker, dashes) in zip(_FAMILIES, _RANDOM, strict=True):
            control = of_metric.filter(pl.col("against").is_in(families))
            if control.is_empty():
                continue
            change = 100 * (control["reference"] - mask["reference"]).to_numpy()
            axes.plot(
                x,
                np.concatenate([np.zeros(len(origin)), change]),
                linestyle=dashes if joined else "none",
                color=colour,
                marker=marker,
                # Around the marker of the mask, where they are the same.
                markersize=4.6,
                markerfacecolor="white",
                zorder=1.9,
                linewidth=0.8,
            )


def _centre(variant: str) -> float:
    """Of a band, in kHz."""
    low, high = map(float, re.findall(r"[\d.]+", variant))
    return (low + high) / 2000
