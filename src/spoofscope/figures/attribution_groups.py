"""Mean attribution of classes, attacks, conditions and kinds of sound, by layer or band."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Patch

from spoofscope.attribution.verdicts import MARKS, Standing, wrapped_note
from spoofscope.exhibits import Figure
from spoofscope.figures.clips import EVIDENCE
from spoofscope.figures.fitting import shortened
from spoofscope.figures.style import (
    BONAFIDE,
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
from spoofscope.tables import read_table

FIGURE = Figure(
    title="Evidence by layer or band, in groups of clips and kinds of sound",
    shows="Mean evidence of each layer or band, in classes, attacks, conditions and sounds.",
    caption=(
        "Left of each detector: what a layer, cepstrum or band adds to the score on average, in a "
        "group of clips (class, attack, level of a condition) or in the frames of a kind of sound; "
        "orange speaks for spoof, blue for bona fide. All cells of a detector have one colour "
        "range, symmetric about zero, up to the number beside its name, in units of the score. "
        "Right: the sum over rows with its 95 % interval, over speakers where they are known; "
        "without an interval where there are fewer than eight. Values are relative to the "
        "baseline, whose own score is below: if the detector calls the baseline spoof, spoofs have "
        "evidence for bona fide, too, so compare groups with each other and not with 0. n: clips, "
        "of the detector with the fewest. Only the random sample of explained clips counts. As "
        "many groups are drawn as a page holds; the table has all. A mark behind a detector's name "
        "says that its explanations fail their controls (†), or that it is undecided whether they "
        "pass them (‡); a number with a star, how many of them miss the difference of the scores "
        "by more than the tolerance, and are in the means all the same."
    ),
    needs="tables_of_attribution_groups",
    place=215,
)

_COLUMNS = 3
# Inches of a group, and of the legend.
_GROUP, _LEGEND = 0.14, 0.25
_MOST_GROUPS = 54
_AXES = {
    "layer": "hidden state",
    "cepstrum": "cepstrum",
    "band": "kHz",
    "all": "all rows",
}
_CLASSES = {"bonafide": "bona fide", "spoof": "spoof"}
_KEYS = ("kind", "group", "label")
_TEXTS = dict.fromkeys(("name", *_KEYS), pl.String())


def draw(table: str, rows: str, outputs: Mapping[str, str]) -> None:
    """Draw a map of groups and rows per detector, beside it the sum over rows.

    Args:
        table, rows: the table `attribution_groups` and its part `rows`.
        outputs: `pdf`, `png`, `tsv`.
    """
    intervals: dict[str, pl.DataType] = {"ci_low": pl.Float64(), "ci_high": pl.Float64()}
    values: dict[str, pl.DataType] = {
        **_TEXTS,
        "contribution": pl.Float64(),
        "n": pl.Int64(),
        "controls": pl.String(),
        "incomplete": pl.Int64(),
    }
    sums = read_table(table, values, {**intervals, "baseline_score": pl.Float64()})
    of_detectors = sums.select("name", "baseline_score", "controls", "incomplete").unique(
        maintain_order=True
    )
    incomplete: dict[str, int] = dict(of_detectors.select("name", "incomplete").rows())
    standings: dict[str, Standing] = dict(of_detectors.select("name", "controls").rows())
    baselines: dict[str, float | None] = dict(of_detectors.select("name", "baseline_score").rows())
    limits: dict[str, pl.DataType] = {"low_hz": pl.Float64(), "high_hz": pl.Float64()}
    by_row = read_table(
        rows,
        {**_TEXTS, "axis": pl.String(), "row": pl.Int64(), "contribution": pl.Float64()},
        limits,
    )
    groups = (
        sums.group_by(_KEYS, maintain_order=True).agg(pl.col("n").min()).head(_MOST_GROUPS).rows()
    )
    shown_sums = sums.join(pl.DataFrame(groups, schema=[*_KEYS, "n"], orient="row"), on=_KEYS)
    words = interval_words("lines: 95 % intervals", shown_sums["ci_low"])
    names = sums["name"].unique(maintain_order=True).to_list()
    lines = [names[i : i + _COLUMNS] for i in range(0, len(names), _COLUMNS)]
    height = _GROUP * len(groups) + 1.1
    shown = {people().system(name): standing for name, standing in standings.items()}
    labels = [_label(*group) for group in groups]
    figures = []
    for page in pages([height] * len(lines), _LEGEND):
        figure = new_figure(PAGE, height * len(page) + _LEGEND)
        figures.append(figure)
        if doubts := wrapped_note(shown, PAGE):
            figure.suptitle(doubts, fontsize=7, x=0.01, ha="left")
        looks = {"evidence for spoof, above 0": SPOOF, "for bona fide, below 0": BONAFIDE}
        words_of_page = list(words)
        if any(incomplete[name] for i in page for name in lines[i]):
            words_of_page.append("*: explanations that are not complete")
        handles: list[Any] = [Patch(color=colour) for colour in looks.values()]
        legend_below(figure, [*handles, *map(note, words_of_page)], [*looks, *words_of_page])
        grid = figure.add_gridspec(len(page), min(len(names), _COLUMNS))
        for row, i in enumerate(page):
            for column, name in enumerate(lines[i]):
                cell = grid[row, column].subgridspec(1, 2, width_ratios=[3, 2], wspace=0.04)
                left, right = figure.add_subplot(cell[0]), figure.add_subplot(cell[1])
                _map(left, by_row.filter(name=name), groups)
                _sums(right, sums.filter(name=name), groups)
                right.set_xlabel(_beyond(baselines[name]), fontsize=7)
                largest = float(np.abs(by_row.filter(name=name)["contribution"].to_numpy()).max())
                left.set_title(
                    f"{shortened(people().system(name), 22)}{MARKS[standings[name]]}"
                    f"{_missed(incomplete[name])} "
                    f"(±{largest:.2g})",
                    loc="left",
                    fontsize=8,
                )
                left.set_yticks(range(len(groups)), [""] * len(groups) if column else labels)
    save(
        figures,
        outputs,
        by_row.join(
            pl.DataFrame(groups, schema=[*_KEYS, "n"], orient="row"),
            on=_KEYS,
            maintain_order="left",
        ).join(of_detectors, on="name", maintain_order="left"),
    )


def _missed(clips: int) -> str:
    """The mark of a detector of which some explanations do not add up to the score."""
    return f" ({clips}*)" if clips else ""


def _beyond(baseline: float | None) -> str:
    """What the sums are, and what they are relative to."""
    return "sum" if baseline is None else f"sum\n(baseline {baseline:+.1f})".replace("-", "−")


def _label(kind: str, group: str, label: str, n: int) -> str:
    of_class = _CLASSES[label]
    if kind == "class":
        name = of_class
    elif kind == "attack":
        name = people().attack(group)
    else:
        name = f"{people().level(kind, group)}, {of_class}"
    return f"{name} ({n})"


def _map(axes: Axes, by_row: pl.DataFrame, groups: list[tuple[str, str, str, int]]) -> None:
    """Groups down, rows of the attribution's maps to the right."""
    n_rows = by_row["row"].n_unique()
    values = np.full((len(groups), n_rows), np.nan)
    for i, (kind, group, label, _) in enumerate(groups):
        of_group = by_row.filter(kind=kind, group=group, label=label)
        values[i, of_group["row"].to_numpy()] = of_group["contribution"].to_numpy()
    first = by_row.filter(kind=groups[0][0], group=groups[0][1], label=groups[0][2]).sort("row")
    if first["axis"][0] == "all":
        axes.set_xticks([])
    edges = np.arange(n_rows + 1.0) - 0.5
    if first["low_hz"].null_count() == 0:
        edges = np.array([*first["low_hz"], first["high_hz"][-1]]) / 1000
    largest = float(np.nanmax(np.abs(values))) or 1.0
    axes.set_facecolor("#cccccc")
    axes.pcolormesh(
        edges,
        np.arange(len(groups) + 1) - 0.5,
        values,
        cmap=EVIDENCE,
        norm=Normalize(-largest, largest),
        rasterized=True,
    )
    axes.set_xlabel(_AXES[first["axis"][0]])
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)
    _separate(axes, groups)


def _sums(axes: Axes, sums: pl.DataFrame, groups: list[tuple[str, str, str, int]]) -> None:
    """The contribution of each group with its interval."""
    for i, (kind, group, label, _) in enumerate(groups):
        of_group = sums.filter(kind=kind, group=group, label=label)
        if of_group.is_empty():
            continue
        row = of_group.row(0, named=True)
        colour = EVIDENCE(1.0 if row["contribution"] > 0 else 0.0)
        if row["ci_low"] is not None:
            axes.plot([row["ci_low"], row["ci_high"]], [i, i], color=colour, linewidth=1.2)
        axes.plot([row["contribution"]], [i], marker="o", markersize=3, color=colour)
    axes.axvline(0, color="#222222", linewidth=0.8)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_yticks([])
    axes.grid(visible=False, axis="y")
    _separate(axes, groups)


def _separate(axes: Axes, groups: list[tuple[str, str, str, int]]) -> None:
    """Lines between kinds of groups."""
    for i in range(1, len(groups)):
        if groups[i][0] != groups[i - 1][0]:
            axes.axhline(i - 0.5, color="#222222", linewidth=0.6)
