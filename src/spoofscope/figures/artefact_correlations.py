"""Correlation of signal measures with detector scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.colors import Normalize

from spoofscope.exhibits import Figure
from spoofscope.figures.style import new_figure, save, system_labels
from spoofscope.names import BONAFIDE, POOLED, SPOOF
from spoofscope.tables import read_table

FIGURE = Figure(
    title="Scores and signal measures",
    shows="Correlation of signal measures with detector scores, with corrected p values.",
    caption=(
        "Spearman correlation of signal measures with detector scores, over all trials and within "
        "each class. A difference between the classes cannot cause a correlation within a class. "
        "A star marks a correlation that stays significant (p < 0.05) after Holm's correction "
        "over all tests of a detector; grey means that the measure is constant. If speakers are "
        "known, the tests flip the signs of whole speakers. If no correlation can be significant, "
        "the figure says so. For explained detectors, the last map correlates frame-wise evidence "
        "for bona fide with frame-level measures; its null distribution shifts the evidence along "
        "the clip."
    ),
    needs="shown_correlations",
    place=510,
)

_COLUMNS: dict[str, pl.DataType] = {
    "run": pl.String(),
    "seed": pl.Int64(),
    "kind": pl.String(),
    "measure": pl.String(),
    "part": pl.String(),
    "group": pl.String(),
}
_NUMBERS = dict.fromkeys(
    ("rho", "ci_low", "ci_high", "p", "p_holm", "p_bh", "p_smallest"), pl.Float64()
)
_GROUPS = (POOLED, BONAFIDE, SPOOF)
_LEVEL = 0.05


def draw(
    systems: Sequence[Mapping[str, Any]],
    correlated: Sequence[Mapping[str, str]],
    outputs: Mapping[str, str],
) -> None:
    """Draw heat maps of Spearman's rho: measures by detectors, pooled and within each class.

    If detectors were explained, a fourth map correlates frame-level measures with the evidence for
    bona fide within utterances. A star marks a p value that stays below 0.05 after Holm's
    correction over all tests of its detector (if none can, the figure says so); the null
    distribution of the fourth map is circular shifts.

    Args:
        systems: id, seed and name of every system.
        correlated: `trials` (corpus.split) and `table`, the file of their correlations.
        outputs: `pdf`, `png`, `tsv`.
    """
    tables = []
    for entry in correlated:
        table = read_table(entry["table"], _COLUMNS, _NUMBERS)
        tables.append(table.select(pl.lit(entry["trials"]).alias("trials"), pl.all()))
    table = pl.concat(tables)
    labels = system_labels(systems)
    columns = table.select("trials", "run", "seed").unique(maintain_order=True).rows()
    several = len({trials for trials, _, _ in columns}) > 1
    heads = [
        (f"{trials}: " if several else "") + labels[run, seed] for trials, run, seed in columns
    ]
    panels = [
        (f"score, {'all trials' if group == 'pooled' else group}", "score", "score", group)
        for group in _GROUPS
    ]
    if (table["kind"] == "attribution").any():
        panels.append(("evidence for bona fide, frames", "attribution", "signed", "pooled"))
    score = table.filter(pl.col("kind") == "score")["measure"].unique(maintain_order=True).to_list()
    frame = table.filter(pl.col("kind") == "attribution")["measure"]
    heights = [len(score)] * 3 + ([frame.n_unique()] if len(panels) > 3 else [])
    figure = new_figure(
        2.2 + 3 * (0.6 + 0.33 * len(columns)), 1.5 + 0.17 * (len(score) + sum(heights[3:]) + 4)
    )
    grid = figure.add_gridspec(
        2 if len(panels) > 3 else 1, 3, height_ratios=[len(score), *heights[3:]]
    )
    least = table["p_smallest"].min()
    if least is not None and float(str(least)) >= _LEVEL:
        figure.suptitle(
            f"none can be significant: after correction p is at least {float(str(least)):.2g}",
            fontsize=8,
        )
    image = None
    for i, (title, kind, part, group) in enumerate(panels):
        axes = figure.add_subplot(grid[i // 3, i % 3])
        of_panel = table.filter(
            (pl.col("kind") == kind) & (pl.col("part") == part) & (pl.col("group") == group)
        )
        measures = of_panel["measure"].unique(maintain_order=True).to_list()
        shown = [c for c in columns if kind == "score" or _has(of_panel, c)]
        values = np.full((len(measures), len(shown)), np.nan)
        for row in of_panel.iter_rows(named=True):
            place = (row["trials"], row["run"], row["seed"])
            x, y = shown.index(place), measures.index(row["measure"])
            if row["rho"] is not None:
                values[y, x] = row["rho"]
                if row["p_holm"] is not None and row["p_holm"] < _LEVEL:
                    axes.text(x, y + 0.12, "*", ha="center", va="center", fontsize=8)
        image = axes.imshow(
            values, cmap="RdBu", norm=Normalize(-1, 1), aspect="auto", interpolation="none"
        )
        axes.set_facecolor("#dddddd")
        heads_shown = [heads[columns.index(c)] for c in shown]
        axes.set_xticks(range(len(shown)), heads_shown, rotation=60, ha="right")
        first = i % 3 == 0
        names = [name.replace("_", " ") for name in measures]
        axes.set_yticks(range(len(measures)), names if first else [""] * len(names))
        axes.grid(visible=False)
        axes.set_title(title, fontsize=8)
    if image is not None:
        figure.colorbar(image, ax=figure.axes, label="Spearman's ρ", shrink=0.5, pad=0.01)
    save(figure, outputs, table)


def _has(rows: pl.DataFrame, column: tuple[str, str, int]) -> bool:
    trials, run, seed = column
    return not rows.filter(
        (pl.col("trials") == trials) & (pl.col("run") == run) & (pl.col("seed") == seed)
    ).is_empty()
