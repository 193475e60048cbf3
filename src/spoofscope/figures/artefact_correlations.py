"""Correlation of signal measures with detector scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from spoofscope.artefacts.correlations import WITHIN
from spoofscope.attribution.verdicts import (
    MARKS,
    Standing,
    of_controls,
    read_checks,
    wrapped_note,
)
from spoofscope.exhibits import Figure
from spoofscope.figures.fitting import LONGEST_NAME
from spoofscope.figures.style import EVIDENCE, PAGE, new_figure, pages, people, save, system_labels
from spoofscope.names import BONAFIDE, NONE, POOLED, SPOOF
from spoofscope.p_values import p_number
from spoofscope.tables import read_table

FIGURE = Figure(
    title="Scores and signal measures",
    shows="Correlation of signal measures with detector scores, with corrected p values.",
    caption=(
        "Spearman correlation of signal measures with detector scores, over all trials, within "
        "strata and within each class. What differs between the classes only cannot correlate "
        "within a class; strata hold the class, the attack and every other condition of the "
        "study, such as the codec, fixed. A star marks a correlation that stays significant (p < "
        "0.05) after Holm's correction over all tests of a detector; grey means that the measure "
        "is constant. If speakers are known, the tests flip the signs of whole speakers. If no "
        "correlation can be significant, the figure says so. For explained detectors, the last "
        "map correlates frame-wise evidence for bona fide with frame-level measures; its null "
        "distribution shifts the evidence along the clip. A mark there behind a name says that "
        "explanations of the detector fail their controls (†), or that it is undecided whether "
        "they pass them (‡). Of the measures, bandwidth 95 and 99: the frequency below which "
        "these shares (%) of the power lie; onset level: first 100 ms against the clip; "
        "spikiness: how far the long-term spectrum rises above its running median; largest step: "
        "largest change of level between frames. docs/explanations.md has all measures."
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
_GROUPS = (POOLED, WITHIN, BONAFIDE, SPOOF)
_TITLES = {POOLED: "all trials", WITHIN: "within strata", BONAFIDE: "bona fide", SPOOF: "spoof"}
_LEVEL = 0.05
# Most columns of a map; inches of a row, and of the colours' key with the titles.
_ACROSS = 8
_ROW, _FOOT = 0.155, 0.85


def draw(
    systems: Sequence[Mapping[str, Any]],
    correlated: Sequence[Mapping[str, Any]],
    outputs: Mapping[str, str],
) -> None:
    """Draw heat maps of Spearman's rho: measures by detectors, pooled, within strata and classes.

    If detectors were explained, a fifth map correlates frame-level measures with the evidence for
    bona fide within utterances. A star marks a p value that stays below 0.05 after Holm's
    correction over all tests of its detector (if none can, the figure says so); the null
    distribution of the fifth map is circular shifts.

    Args:
        systems: id, seed and name of every system.
        correlated: `trials` (corpus.split), `table`, the file of their correlations, and `checks`
            of the explanations of their detector, where it is explained.
        outputs: `pdf`, `png`, `tsv`.
    """
    tables = []
    for entry in correlated:
        table = read_table(entry["table"], _COLUMNS, _NUMBERS)
        standing = of_controls(read_checks(entry["checks"])) if entry["checks"] else NONE
        explains = pl.when(pl.col("kind") != "score").then(pl.lit(standing)).otherwise(pl.lit(NONE))
        tables.append(
            table.select(
                pl.lit(entry["trials"]).alias("trials"), pl.all(), explains.alias("controls")
            )
        )
    table = pl.concat(tables)
    labels = system_labels(systems)
    explained = (
        table.filter(kind="attribution")
        .select("run", "seed", "controls")
        .unique(maintain_order=True)
    )
    standings: dict[tuple[str, int], Standing] = {
        (run, seed): own for run, seed, own in explained.rows()
    }
    doubts = wrapped_note({labels[of]: own for of, own in standings.items()}, PAGE)
    columns = table.select("trials", "run", "seed").unique(maintain_order=True).rows()
    several = len({trials for trials, _, _ in columns}) > 1
    heads = [
        (f"{_trials(trials)}: " if several else "") + labels[run, seed]
        for trials, run, seed in columns
    ]
    panels = [(f"score, {_TITLES[group]}", "score", "score", group) for group in _GROUPS]
    if (table["kind"] == "attribution").any():
        panels.append(("evidence for bona fide, frames", "attribution", "signed", "pooled"))
    # So many columns as fit beside each other; the others follow below.
    starts = range(0, len(columns), _ACROSS)
    blocks = []
    for start in starts:
        some = columns[start : start + _ACROSS]
        for kind in ("score", "attribution"):
            of_kind = [panel for panel in panels if panel[1] == kind]
            shown = [c for c in some if kind == "score" or _has(table.filter(kind=kind), c)]
            if of_kind and shown:
                blocks.append((of_kind, shown))
    measures = {
        kind: table.filter(kind=kind)["measure"].unique(maintain_order=True).to_list()
        for kind in ("score", "attribution")
    }
    longest = max(len(head) for head in heads)
    names = 0.045 * min(longest, LONGEST_NAME) + 0.35
    heights = [_ROW * len(measures[of_kind[0][1]]) + names for of_kind, _ in blocks]
    figures = []
    for page in pages(heights, _FOOT):
        of_page = [heights[i] for i in page]
        figure = new_figure(PAGE, sum(of_page) + _FOOT)
        figures.append(figure)
        grid = figure.add_gridspec(len(page), len(_GROUPS), height_ratios=of_page)
        image: Any = None
        for line, i in enumerate(page):
            of_kind, shown = blocks[i]
            for j, (title, kind, part, group) in enumerate(of_kind):
                words = [
                    heads[columns.index(c)]
                    + (MARKS[standings[c[1:]]] if kind == "attribution" else "")
                    for c in shown
                ]
                axes = figure.add_subplot(grid[line, j])
                of_panel = table.filter(kind=kind, part=part, group=group)
                image = _map(axes, of_panel, measures[kind], shown)
                axes.set_xticks(range(len(shown)), words, rotation=60, ha="right")
                if j:
                    axes.set_yticklabels([])
                axes.set_title(title, fontsize=8)
        figure.colorbar(
            image,
            ax=figure.axes,
            location="bottom",
            label="Spearman's ρ\n*: p < 0.05 after correction; grey: undefined",
            aspect=40,
            fraction=0.05,
        )
        least = table["p_smallest"].min()
        marked = any(blocks[i][0][0][1] == "attribution" for i in page)
        said = [doubts] if doubts and marked else []
        if least is not None and float(str(least)) >= _LEVEL:
            said.append(
                "none can be significant: after correction p is at least "
                f"{p_number(float(str(least)))}"
            )
        if said:
            figure.suptitle("\n".join(said), fontsize=7)
    save(figures, outputs, table)


def _map(
    axes: Axes,
    of_panel: pl.DataFrame,
    measures: Sequence[str],
    shown: Sequence[tuple[str, str, int]],
) -> Any:
    """Measures by detectors; the image."""
    values = np.full((len(measures), len(shown)), np.nan)
    for row in of_panel.iter_rows(named=True):
        place = (row["trials"], row["run"], row["seed"])
        if place not in shown or row["rho"] is None:
            continue
        x, y = shown.index(place), measures.index(row["measure"])
        values[y, x] = row["rho"]
        if row["p_holm"] is not None and row["p_holm"] < _LEVEL:
            axes.text(x, y + 0.12, "*", ha="center", va="center", fontsize=8)
    axes.set_facecolor("#dddddd")
    axes.set_yticks(range(len(measures)), [name.replace("_", " ") for name in measures])
    axes.grid(visible=False)
    return axes.imshow(
        values, cmap=EVIDENCE, norm=Normalize(-1, 1), aspect="auto", interpolation="none"
    )


def _trials(trials: str) -> str:
    corpus, _, split = trials.rpartition(".")
    return f"{people().corpus(corpus)}.{split}"


def _has(rows: pl.DataFrame, column: tuple[str, str, int]) -> bool:
    trials, run, seed = column
    return not rows.filter(
        (pl.col("trials") == trials) & (pl.col("run") == run) & (pl.col("seed") == seed)
    ).is_empty()
