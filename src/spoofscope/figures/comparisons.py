"""Differences between detectors, with their significance."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from spoofscope.exhibits import Figure
from spoofscope.figures.style import new_figure, save
from spoofscope.metrics.paired import ALPHA, METRICS
from spoofscope.summaries.comparisons import read_comparisons, within_reach

FIGURE = Figure(
    title="Which detectors differ",
    shows="Paired differences between systems on the same trials, with their significance.",
    caption=(
        "The figure compares every two systems on the same resampled trials: row minus column; "
        "blue means that the row is better. A star marks a difference that stays significant (p < "
        "0.05) after Holm's correction over the pairs of a set; a missing star does not prove "
        "equality."
    ),
    needs="table_of_comparisons",
    place=160,
)

# Title, factor and format of each metric.
_SHOWN: dict[str, tuple[str, float, str]] = {
    "eer": ("EER, percentage points", 100.0, "{:+.1f}"),
    "min_dcf": ("minDCF", 1.0, "{:+.2f}"),
}


def draw(table: str, outputs: Mapping[str, str]) -> None:
    """Draw one matrix per (corpus, split) and metric: row minus column.

    Blue means that the row has the lower value, so it is better. A star marks differences that stay
    significant at 5 % after Holm's correction over the pairs. If none can be significant, the
    figure says so.

    Args:
        table: the table of comparisons.
        outputs: `pdf`, `png`, `tsv`.
    """
    compared = read_comparisons(table)
    sets = compared.select("corpus", "split").unique(maintain_order=True).rows()
    sizes = [_names(compared, *pair) for pair in sets]
    widest = max(len(names) for names in sizes)
    height = sum(0.36 * len(names) + 1.5 for names in sizes)
    figure = new_figure(2.6 + 2 * (0.5 * widest + 0.7), height)
    grid = figure.add_gridspec(
        len(sets), len(METRICS), height_ratios=[len(names) + 3 for names in sizes]
    )
    reasons = []
    for i, ((corpus, split), names) in enumerate(zip(sets, sizes, strict=True)):
        for j, metric in enumerate(METRICS):
            axes = figure.add_subplot(grid[i, j])
            of_panel = compared.filter(
                (pl.col("corpus") == corpus)
                & (pl.col("split") == split)
                & (pl.col("metric") == metric)
            )
            _matrix(axes, of_panel, names, metric)
            axes.set_title(f"{corpus}, {split}: {_SHOWN[metric][0]}")
            if j:
                axes.set_yticklabels([])
            elif (why := within_reach(of_panel)) is not None:
                reasons.append(f"{corpus}, {split}: {why}")
    if reasons:
        figure.supxlabel("\n".join(reasons), fontsize=7)
    save(figure, outputs, compared)


def _names(compared: pl.DataFrame, corpus: str, split: str) -> list[str]:
    of_set = compared.filter((pl.col("corpus") == corpus) & (pl.col("split") == split))
    pairs = of_set.select("first", "second").rows()
    return list(dict.fromkeys([pairs[0][0], *(second for _, second in pairs)]))


def _matrix(axes: Axes, differences: pl.DataFrame, names: list[str], metric: str) -> None:
    _, factor, form = _SHOWN[metric]
    values = np.full((len(names), len(names)), np.nan)
    starred = np.zeros(values.shape, dtype=bool)
    for row in differences.iter_rows(named=True):
        i, j = names.index(row["first"]), names.index(row["second"])
        values[i, j], values[j, i] = row["difference"] * factor, -row["difference"] * factor
        starred[i, j] = starred[j, i] = row["p_holm"] is not None and row["p_holm"] < ALPHA
    limit = max(float(np.nanmax(np.abs(values))), 1e-9)
    # The scale goes beyond the largest difference, so that black stays readable on it.
    settings: Any = {"cmap": "RdBu_r", "norm": Normalize(-1.6 * limit, 1.6 * limit)}
    axes.imshow(values, aspect="auto", interpolation="none", **settings)
    for (i, j), value in np.ndenumerate(values):
        if not np.isnan(value):
            text = form.format(value)
            # What is rounded to nothing has no sign.
            text = ("0" if float(text) == 0 else text) + ("*" if starred[i, j] else "")
            weight = "bold" if starred[i, j] else "normal"
            axes.text(j, i, text, ha="center", va="center", fontsize=6, fontweight=weight)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.grid(visible=False)
