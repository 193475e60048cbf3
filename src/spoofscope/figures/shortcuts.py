"""Rates at which decisions follow suspected cues, beside those of their controls."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    BONAFIDE,
    PAGE,
    SPOOF,
    interval_words,
    legend_below,
    new_figure,
    pages,
    people,
    save,
)
from spoofscope.shortcuts.tables import PUT
from spoofscope.summaries.shortcuts import NO_EVIDENCE, TOO_FEW, USES, read_shortcuts

FIGURE = Figure(
    title="Shortcuts: decisions that follow a cue",
    shows="How often decisions follow suspected cues, and changes as large that are none.",
    caption=(
        "Share of recordings, decided rightly as they are, that are decided wrongly with a cue put "
        "on the class that has it not, or taken off its own class, in per cent. Blue: bona fide "
        "rejected; orange: spoof accepted. Filled markers: the cue, with 95 % intervals; open "
        "markers: a change as large that is no cue, on the same recordings. n: recordings. A cue "
        "is used if decisions follow it beyond its control, after Holm's correction over all tests "
        "of the study; 'no evidence' does not prove that it is unused."
    ),
    needs="table_of_shortcuts",
    place=250,
    section="shortcuts",
)

_GREY = "#555555"
_AROUND = 0.75
"""Inches of axis and legend."""
_ABOVE = 14
"""Points between a panel and its title; the heading of the numbers of recordings stands there."""
_VERDICTS = {USES: "uses the cue", NO_EVIDENCE: "no evidence", TOO_FEW: "too few"}


def draw(table: str, outputs: Mapping[str, str]) -> None:
    """Draw a panel per detector and set, with two lines per cue.

    Args:
        table: the table of shortcuts.
        outputs: `pdf`, `png`, `tsv`.
    """
    shown = read_shortcuts(table)
    blocks = shown.select("name", "corpus", "split").unique(maintain_order=True).rows()
    n_lines = 2 * shown["cue"].n_unique()
    heights = [0.21 * n_lines + 0.4] * len(blocks)
    figures = []
    for page in pages(heights, _AROUND):
        figure = new_figure(PAGE, heights[0] * len(page) + _AROUND)
        figures.append(figure)
        panels = figure.subplots(len(page), 1, squeeze=False, sharex=True)[:, 0]
        for axes, i in zip(panels, page, strict=True):
            name, corpus, split = blocks[i]
            axes.set_title(
                f"{people().system(name)} on {people().trials(corpus, split)}",
                fontsize=8,
                loc="left",
                pad=_ABOVE,
            )
            _panel(axes, shown.filter(name=name, corpus=corpus, split=split))
        panels[-1].set_xlabel("decisions that change, %")
        dots: Any = {"linestyle": "none", "marker": "o", "markersize": 3.5}
        handles = [
            Line2D([], [], color=BONAFIDE, label="bona fide rejected", **dots),
            Line2D([], [], color=SPOOF, label="spoof accepted", **dots),
            Line2D([], [], color=_GREY, markerfacecolor="white", label="control: no cue", **dots),
        ]
        for words in interval_words("95 % interval", shown["ci_low"]):
            handles.append(Line2D([], [], color=_GREY, linewidth=1.1, label=words))
        legend_below(figure, handles, [str(handle.get_label()) for handle in handles])
    save(figures, outputs, shown)


def _panel(axes: Axes, rows: pl.DataFrame) -> None:
    """One detector: of every cue a line for putting it on, and one for taking it off."""
    names = []
    for y, row in enumerate(rows.iter_rows(named=True)):
        is_put = row["test"] == PUT
        names.append(f"{row['cue'].replace('_', ' ')}: {'put on' if is_put else 'taken off'}")
        if is_put:
            verdict = _VERDICTS[row["verdict"]]
            weight = "bold" if row["verdict"] == USES else "normal"
            at: Any = {"transform": axes.get_yaxis_transform(), "fontsize": 7, "va": "center"}
            axes.text(1.01, y + 0.5, verdict, fontweight=weight, **at)
        if row["rate"] is None:
            text = "no recordings"
            if not is_put and row["removable"] == "no":
                text = "not removable"
            axes.text(1, y, text, fontsize=7, va="center", color=_GREY)
            continue
        bonafide = (row["of"] == "spoof") == is_put
        colour = BONAFIDE if bonafide else SPOOF
        if row["ci_low"] is not None:
            ends = [100 * row["ci_low"], 100 * row["ci_high"]]
            axes.plot(ends, [y, y], color=colour, linewidth=1.0)
        axes.plot(100 * row["control_rate"], y, "o", color=colour, mfc="white", markersize=6)
        axes.plot(100 * row["rate"], y, "o", color=colour, markersize=3.5)
        axes.text(106, y, f"{row['n']}", fontsize=7, va="center", ha="center", color=_GREY)
    axes.text(106, -1.0, "n", fontsize=7, va="center", ha="center", color=_GREY)
    axes.set_yticks(range(len(names)), names)
    axes.grid(axis="y", visible=False)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(-3, 110)
    axes.set_xticks(range(0, 101, 20))
    for y in range(2, len(names), 2):
        axes.axhline(y - 0.5, color="#cccccc", linewidth=0.6)
