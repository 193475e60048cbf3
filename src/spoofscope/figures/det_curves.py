"""Detection error trade-off curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy.special import ndtri

from spoofscope.exhibits import Figure
from spoofscope.figures.fitting import shortened
from spoofscope.figures.style import (
    COLOURS,
    COLUMN,
    MOST_LOOKS,
    PAGE,
    between,
    interval_words,
    line_style,
    new_figure,
    pages,
    people,
    percent,
    save,
    system_labels,
)
from spoofscope.metrics.rates import Floats, det_curve
from spoofscope.names import POOLED
from spoofscope.summaries.inputs import read_metrics, read_scored, sets_of

FIGURE = Figure(
    title="Detection error trade-off",
    shows="Detection error trade-off curves of every system on every eval set.",
    caption=(
        "The curves show the share of rejected bona fide clips against the share of accepted "
        "spoofs, for all thresholds; both axes are normal-deviate. Lower left is better; the "
        "diagonal marks equal error rates. The legend has the equal error rate with its 95 % "
        "interval. A star, or another mark of the legend, in a corner stands for a curve that lies "
        "beyond the axes (0.08 to 90 %), because it has almost no errors (lower left) or almost "
        "only errors (upper right)."
    ),
    needs="shown_scores",
    place=110,
)

_TICKS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
_LIMITS = (0.0008, 0.9)
# More points than pixels only make the PDF heavy.
_POINTS = 1500
# Inches of the square with its labels, and of a line of the legend below it.
_SQUARE, _LINE = 3.45, 0.145
_LONGEST = 28
"""Letters of a name in the legend."""
# More systems have a legend of three columns as wide as the page, of shorter names.
_FEW = 24
_SHORTER = 15
_UNNAMED: Any = {"color": "#bbbbbb", "linewidth": 0.6, "linestyle": "-", "zorder": 1}
"""Of the systems after those that can be told apart."""
# Of curves beyond the axes: of the first ten systems, of the next ten, and so on.
_STARS = "*PXDp"


def draw(
    scored: Sequence[Mapping[str, Any]], metrics: Sequence[str], outputs: Mapping[str, str]
) -> None:
    """Draw one panel per (corpus, split), with one curve per system, on normal-deviate axes.

    Args:
        scored: of every score file the id, seed, name and kind of its system, corpus, split,
            `scores` (the file) and `manifest`.
        metrics: metrics tables of the same score files.
        outputs: `pdf`, `png`, `tsv`.
    """
    labels = system_labels(scored)
    # A system has the same colour in all panels, unless there are more than there are looks.
    numbers = {system: i for i, system in enumerate(labels)}
    rates = {
        (row["system"], row["seed"], row["corpus"], row["split"]): row
        for row in read_metrics(metrics)
        .filter(metric="eer", condition=POOLED)
        .iter_rows(named=True)
    }
    sets = list(sets_of(scored).items())
    many = max(len(of_set) for _, of_set in sets) > _FEW
    longest, legend_columns = (_SHORTER, 3) if many else (_LONGEST, 1)
    columns = 1 if len(sets) == 1 or many else 2
    lines = [sets[i : i + columns] for i in range(0, len(sets), columns)]
    heights = [
        _SQUARE
        + _LINE * -(-min(max(len(of_set) for _, of_set in line), MOST_LOOKS) // legend_columns)
        for line in lines
    ]
    figures = []
    rows: list[pl.DataFrame] = []
    for page in pages(heights):
        of_page = [heights[i] for i in page]
        figure = new_figure(COLUMN if columns == 1 and not many else PAGE, sum(of_page))
        figures.append(figure)
        parts = figure.subfigures(len(page), columns, squeeze=False, height_ratios=of_page)
        for place, i in enumerate(page):
            for part, ((corpus, split), of_set) in zip(parts[place], lines[i], strict=False):
                axes = part.add_subplot()
                handles: list[Line2D] = []
                low: list[float | None] = []
                stars = [0, 0]
                for entry in of_set:
                    system = entry["id"], entry["seed"]
                    rate = rates[*system, corpus, split]
                    if rate["value"] is None:
                        continue
                    curve = _curve(entry)
                    name = shortened(labels[system], longest)
                    text = f"{name}: {percent(rate['value'])} %{between(rate)}"
                    number = numbers[system] if len(labels) <= MOST_LOOKS else len(handles)
                    handles.append(_plot(axes, curve, text, number, stars))
                    rows.append(_numbers(entry, curve))
                    low.append(rate["ci_low"])
                _dress(axes, people().trials(corpus, split))
                unnamed = len(handles[MOST_LOOKS:])
                part.legend(
                    handles=handles[:MOST_LOOKS],
                    loc="outside lower center",
                    ncols=legend_columns,
                    columnspacing=1.0,
                    title=" ".join(["EER", *interval_words("[95 % interval]", pl.Series(low))])
                    + (f"; grey: {unnamed} more systems" if unnamed else ""),
                    title_fontsize=7,
                    labelspacing=0.25,
                )
    save(figures, outputs, pl.concat(rows))


def _curve(entry: Mapping[str, Any]) -> tuple[Floats, Floats]:
    """Accepted spoofs and rejected bona fide clips at up to `_POINTS` thresholds."""
    trials = read_scored(entry["scores"], entry["manifest"], entry["split"])
    bonafide, spoof = (
        trials.filter(pl.col("label") == label)["score"].to_numpy()
        for label in ("bonafide", "spoof")
    )
    curve = det_curve(bonafide, spoof)
    shown = np.linspace(0, curve.p_fa.size - 1, min(_POINTS, curve.p_fa.size)).astype(int)
    keep = np.unique(shown)
    return curve.p_fa[keep], curve.p_miss[keep]


def _plot(
    axes: Axes, curve: tuple[Floats, Floats], text: str, number: int, stars: list[int]
) -> Line2D:
    """The curve, or a star where none of it lies within the axes; its entry in the legend.

    Args:
        number: of the system, which decides its look.
        stars: how many there are at the lower left and at the upper right; one is added.
    """
    style = line_style(number) if number < MOST_LOOKS else _UNNAMED
    p_fa, p_miss = curve
    inside = (np.minimum(p_fa, p_miss) >= _LIMITS[0]) & (np.maximum(p_fa, p_miss) <= _LIMITS[1])
    x, y = (ndtri(np.clip(rates, _LIMITS[0] / 10, 1 - 1e-6)) for rates in curve)
    axes.plot(x, y, **style)
    star: dict[str, Any] = {}
    if not inside.any():
        star = {"marker": _STARS[number // len(COLOURS) % len(_STARS)], "markersize": 6}
        corner = int((p_fa + p_miss).min() >= 1)
        # Stars of several systems stand beside each other, those after a line of them above it.
        along, up = 0.04 + 0.05 * (stars[corner] % 19), 0.03 + 0.05 * (stars[corner] // 19)
        stars[corner] += 1
        at = (1 - along, 1 - up) if corner else (along, up)
        look: dict[str, Any] = {**star, "color": style["color"], "linestyle": "none"}
        axes.plot(*at, **look, transform=axes.transAxes, clip_on=False)
    return Line2D([], [], label=text, **style, **star)


def _dress(axes: Axes, title: str) -> None:
    axes.axline((0, 0), slope=1, color="#bbbbbb", linewidth=0.8, zorder=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ndtri(np.array(_TICKS)), [f"{100 * tick:g}" for tick in _TICKS])
    axes.set_xlim(*ndtri(np.array(_LIMITS)))
    axes.set_ylim(*ndtri(np.array(_LIMITS)))
    axes.set_aspect("equal")
    axes.set_xlabel("spoof accepted (%)")
    axes.set_ylabel("bona fide rejected (%)")
    axes.set_title(title)


def _numbers(entry: Mapping[str, Any], curve: tuple[Floats, Floats]) -> pl.DataFrame:
    p_fa, p_miss = curve
    return pl.DataFrame({"spoof_accepted": p_fa, "bonafide_rejected": p_miss}).select(
        pl.lit(entry["corpus"]).alias("corpus"),
        pl.lit(entry["split"]).alias("split"),
        pl.lit(entry["id"]).alias("system"),
        pl.lit(entry["seed"]).alias("seed"),
        pl.all(),
    )
