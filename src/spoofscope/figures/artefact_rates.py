"""How well each signal measure alone separates the classes, attack by attack."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from spoofscope.artefacts.correlations import read_separation
from spoofscope.exhibits import Figure
from spoofscope.figures.style import EVIDENCE, PAGE, new_figure, pages, people, save
from spoofscope.metrics.paired import ALPHA
from spoofscope.names import POOLED
from spoofscope.p_values import p_number

FIGURE = Figure(
    title="What a signal measure alone gives away",
    shows="AUC of every signal measure as a detector, per attack, codec and other conditions.",
    caption=(
        "Probability that a bona fide clip has a higher value than a spoof: 0.5 tells nothing, 0 "
        "and 1 separate the classes without a detector. An attack's spoofs are set against all "
        "bona fide clips; of other conditions, such as a codec, both classes are of the level. A "
        "star marks a difference that stays significant (p < 0.05) after Holm's correction over "
        "all tests of the set; if none can be significant, the title says so. A dot marks a class"
        " of too few clips, or speakers, for an interval, so its colour can be chance. Grey: a "
        "class has no value. Of the measures, bandwidth 95 and 99: the frequency below which "
        "these shares (%) of the power lie; onset level: first 100 ms against the clip; "
        "spikiness: how far the long-term spectrum rises above its running median; largest step: "
        "largest change of level between frames. docs/explanations.md has all measures."
    ),
    needs="rated_measures",
    place=505,
)

# Most columns of a map; inches of a row, of the words around a map, and of the colours' key.
_ACROSS = 24
_ROW, _AROUND, _FOOT = 0.155, 1.45, 0.55


def draw(rated: Sequence[Mapping[str, str]], outputs: Mapping[str, str]) -> None:
    """Draw a heat map of the AUC per set: measures down; all trials and every level to the right.

    Args:
        rated: corpus, split and `table`, the file of `artefacts.correlations.separation`.
        outputs: `pdf`, `png`, `tsv`.
    """
    blocks = []
    tables = []
    for entry in rated:
        table = read_separation(entry["table"])
        title = people().trials(entry["corpus"], entry["split"])
        tables.append(
            table.select(
                pl.lit(entry["corpus"]).alias("corpus"),
                pl.lit(entry["split"]).alias("split"),
                pl.all(),
            )
        )
        columns = table.select("condition", "level").unique(maintain_order=True).rows()
        for start in range(0, len(columns), _ACROSS):
            blocks.append((title, table, columns[start : start + _ACROSS]))
    heights = [_ROW * table["measure"].n_unique() + _AROUND for _, table, _ in blocks]
    figures = []
    for page in pages(heights, _FOOT):
        of_page = [heights[i] for i in page]
        figure = new_figure(PAGE, sum(of_page) + _FOOT)
        figures.append(figure)
        panels = figure.subplots(len(page), 1, squeeze=False, height_ratios=of_page)[:, 0]
        image: Any = None
        for axes, i in zip(panels, page, strict=True):
            image = _map(axes, *blocks[i])
        figure.colorbar(
            image,
            ax=figure.axes,
            location="bottom",
            label="AUC   (blue: bona fide is higher; *: p < 0.05 after correction; dot: too few)",
            aspect=40,
            fraction=0.05,
        )
    save(figures, outputs, pl.concat(tables))


def _map(axes: Axes, title: str, table: pl.DataFrame, columns: Sequence[tuple[str, str]]) -> Any:
    """Measures by levels; the image."""
    measures = table["measure"].unique(maintain_order=True).to_list()
    values = np.full((len(measures), len(columns)), np.nan)
    for row in table.iter_rows(named=True):
        place = (row["condition"], row["level"])
        if place not in columns or row["auc"] is None:
            continue
        x, y = columns.index(place), measures.index(row["measure"])
        values[y, x] = row["auc"]
        if row["p_holm"] is not None and row["p_holm"] < ALPHA:
            axes.text(x, y + 0.12, "*", ha="center", va="center", fontsize=8)
        elif row["ci_low"] is None:
            axes.plot(x, y, ".", color="#777777", markersize=2)
    axes.set_facecolor("#dddddd")
    words = [
        "all trials" if condition == POOLED else people().level(condition, level)
        for condition, level in columns
    ]
    axes.set_xticks(range(len(columns)), words, rotation=60, ha="right")
    axes.set_yticks(range(len(measures)), [name.replace("_", " ") for name in measures])
    axes.grid(visible=False)
    starts = [x for x in range(len(columns)) if not x or columns[x][0] != columns[x - 1][0]]
    for x in starts:
        if x:
            axes.axvline(x - 0.5, color="black", linewidth=0.8)
        if columns[x][0] != POOLED:
            words_of = people().condition(columns[x][0])
            axes.text(x - 0.4, -0.8, words_of, ha="left", va="bottom", fontsize=7)
    least = table["p_smallest"].min()
    if least is not None and float(str(least)) >= ALPHA:
        title += (
            "; none can be significant: after correction p is at least "
            f"{p_number(float(str(least)))}"
        )
    axes.set_title(title, fontsize=8, loc="left", pad=14)
    return axes.imshow(
        values, cmap=EVIDENCE, norm=Normalize(0, 1), aspect="auto", interpolation="none"
    )
