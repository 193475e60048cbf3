"""Checks of the explanations of each detector against their controls."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as PlotFigure
from matplotlib.lines import Line2D

from spoofscope.attribution.verdicts import LARGEST_RANDOMISED, LEAST_STABLE, MARKS, RANDOMISED
from spoofscope.attribution_methods import NOISE_CHECK, named
from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    COLOURS,
    PAGE,
    interval_words,
    legend_below,
    new_figure,
    pages,
    people,
    save,
)
from spoofscope.summaries.faithfulness import faithfulness

FIGURE = Figure(
    title="Are the explanations faithful?",
    shows="Checks of each detector's explanations against their controls, with intervals.",
    caption=(
        "Left: the change of the score by the frames with the most evidence, beyond that by as "
        "many other frames, as a share of the larger of the two; at 0 the explanation chooses "
        "frames no better than chance. Right: rank correlation of the maps with those of other "
        "methods and, where the study asks for it, by other baselines and of the same clips with "
        "inaudible noise (which must stay above the dotted line of its colour); and with that of "
        "a network of shuffled weights, which must stay below its dotted line. Bars are 95 % "
        "intervals; the numbers of clips stand at the right of each panel. Filled markers pass, "
        "open markers are undecided, crosses fail; a mark behind a name says that one of the "
        "controls (deletion, insertion, shuffled weights, inaudible noise) fails (†) or is "
        "undecided (‡)."
    ),
    needs="checked_explanations",
    place=205,
)

_LOOKS = {
    "deletion_gain": ("deletion", COLOURS[0], "o"),
    "insertion_gain": ("insertion", COLOURS[2], "s"),
    "gradient_spearman": ("gradient × input", COLOURS[4], "o"),
    "occlusion_spearman": ("occlusion", COLOURS[3], "s"),
    RANDOMISED: ("shuffled weights", COLOURS[1], "D"),
    "centroid_baseline_spearman": ("baseline: mean features", COLOURS[5], "^"),
    "bonafide_baseline_spearman": ("baseline: bona fide speech", COLOURS[5], "d"),
    "zeros_baseline_spearman": ("baseline: zeros", COLOURS[5], "v"),
    "silence_baseline_spearman": ("baseline: silence", COLOURS[5], "<"),
    "noise_baseline_spearman": ("baseline: noise", COLOURS[5], ">"),
    NOISE_CHECK: ("inaudible noise", COLOURS[6], "P"),
}
_VERDICTS = {"passes": "passes", "undecided": "undecided (‡)", "fails": "fails (†)"}
_LEFT = ("deletion_gain", "insertion_gain")
_AROUND = 1.2
"""Inches of axes and legend."""


def draw(checked: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Draw a row per detector and method: gains at the left, agreements at the right.

    Args:
        checked: see `summaries.faithfulness.faithfulness`.
        outputs: `pdf`, `png`, `tsv`.
    """
    table = faithfulness(checked)
    rows = table.select("name", "method", "controls").unique(maintain_order=True).rows()
    made = set(table["check"])
    agreements = [check for check in _LOOKS if check in made and check not in _LEFT]
    height = max(0.62, 0.2 * len(agreements))
    figures = [
        _page(table, [rows[i] for i in page], made, agreements, height)
        for page in pages([height] * len(rows), _AROUND)
    ]
    save(figures, outputs, table)


def _page(
    table: pl.DataFrame,
    rows: Sequence[tuple[Any, ...]],
    made: Collection[str],
    agreements: Sequence[str],
    height: float,
) -> PlotFigure:
    """Some detectors and methods, each `height` inches high."""
    figure = new_figure(PAGE, height * len(rows) + _AROUND)
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, checks in ((left, _LEFT), (right, agreements)):
        for row, (name, method, _) in enumerate(rows):
            for i, check in enumerate(checks):
                y = row + 0.78 / max(3, len(checks)) * (i - (len(checks) - 1) / 2)
                for entry in table.filter(name=name, method=method, check=check).to_dicts():
                    _mark(axes, y, entry)
        axes.axvline(0, color="#222222", linewidth=0.8)
        axes.grid(visible=False, axis="y")
    right.axvline(LARGEST_RANDOMISED, color=_LOOKS[RANDOMISED][1], linestyle=":", linewidth=1)
    if NOISE_CHECK in made:
        right.axvline(LEAST_STABLE, color=_LOOKS[NOISE_CHECK][1], linestyle=":", linewidth=1)
    left.set_xlabel("change beyond random frames (share)")
    right.set_xlabel("rank correlation of maps")
    right.set_xlim(min(-0.1, right.get_xlim()[0]), 1.02)
    methods = table["method"].to_list()
    labels = [
        f"{named(people().system(name), method, methods)}{MARKS[controls]}".replace(", ", "\n")
        for name, method, controls in rows
    ]
    left.set_yticks(range(len(rows)), labels)
    left.set_ylim(len(rows) - 0.5, -0.5)
    handles = [
        Line2D([], [], color=colour, marker=marker, markersize=4, label=label)
        for label, colour, marker in (_LOOKS[check] for check in _LOOKS if check in made)
    ]
    grey = "#444444"
    handles += [
        Line2D([], [], linestyle="none", label=label, **_look(verdict, grey, "o"))
        for verdict, label in _VERDICTS.items()
    ]
    for words in interval_words("95 % interval", table["ci_low"]):
        handles.append(Line2D([], [], color=grey, linewidth=1.2, label=words))
    for check, words in ((RANDOMISED, "shuffled: at most"), (NOISE_CHECK, "noise: at least")):
        if check in made:
            handles.append(Line2D([], [], color=_LOOKS[check][1], linestyle=":", label=words))
    legend_below(figure, handles, [str(handle.get_label()) for handle in handles])
    return figure


def _look(verdict: str, colour: str, marker: str) -> dict[str, Any]:
    """The marker of a check with a verdict."""
    shapes: dict[str, dict[str, Any]] = {
        "passes": {"marker": marker, "markerfacecolor": colour},
        "undecided": {"marker": marker, "markerfacecolor": "white"},
        "fails": {"marker": "X", "markerfacecolor": colour, "markersize": 6},
    }
    return {"markersize": 4, "color": colour, **shapes[verdict]}


def _mark(axes: Axes, y: float, row: Mapping[str, Any]) -> None:
    """One check at a height; nothing where it was not computed."""
    if row["value"] is None or row["scale"] == 0:
        return
    _, colour, marker = _LOOKS[row["check"]]
    value = row["value"] / row["scale"]
    if row["ci_low"] is not None:
        ends = [row["ci_low"] / row["scale"], row["ci_high"] / row["scale"]]
        axes.plot(ends, [y, y], color=colour, linewidth=1.2)
    axes.plot([value], [y], linestyle="none", **_look(row["verdict"], colour, marker))
    # Outside the axes, where no line and no marker can run through it.
    axes.text(
        1.01,
        y,
        f"n = {row['n']}",
        transform=axes.get_yaxis_transform(),
        va="center",
        fontsize=7,
        color="#444444",
    )
