"""How well attributions find segments of known artefacts."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as PlotFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from spoofscope.attribution.localisation import is_above_chance, read_localisation
from spoofscope.attribution.verdicts import MARKS, of_controls, read_checks, worst, wrapped_note
from spoofscope.attribution_methods import METHOD_TITLES, named
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
from spoofscope.metrics.limits import LEAST_CLIPS
from spoofscope.names import ALL

FIGURE = Figure(
    title="Does attribution find the artefacts?",
    shows="Agreement of each detector's attribution with the known artefacts, per attack.",
    caption=(
        "Evidence for spoof against the places of known artefacts: in time, over frames; and over "
        "frequency, over the bands of front-ends that have any, summed over time. A clip counts in "
        "the pointing game if its strongest evidence lies at an artefact. IoU: intersection over "
        "union of the artefact with as many frames (or bands) of the strongest evidence. Markers "
        "are means over n clips, whiskers their 95 % intervals; below eight clips, or eight "
        "speakers, there is none (too few). Grey: what the same evidence gives by chance, if the "
        "artefact lies anywhere else; the tick is the mean over all circular shifts, and 95 % of "
        "such means lie in the bar. Filled markers are above chance: the whisker lies above the "
        "grey bar. Attacks whose artefact is in the whole clip and at all frequencies are left "
        "out, because it cannot be localised. A mark behind a detector's name says that its "
        "explanations (by one of the methods, which is named above) fail their controls (†), or "
        "that it is undecided whether they pass them (‡)."
    ),
    needs="found_segments",
    place=220,
)

_METRICS = {
    "auc_evidence": "AUC",
    "average_precision": "average precision",
    "pointing": "pointing game",
    "iou": "IoU",
}
_WHERE = {"time": "in time", "band": "over frequency"}
_CHANCE = "#bbbbbb"
_LINE, _APART = 0.16, 0.1
_TALLEST = 8.0
_AROUND = 1.2
_NOTHING = "no utterance with a local artefact was explained"


def draw(localised: Sequence[Mapping[str, str]], outputs: Mapping[str, str]) -> None:
    """Draw a panel per metric: a line per attack and detector, a marker for each method.

    Args:
        localised: run, detector (its name), `table`, the summary of its localisation by one method,
            and `checks` of its explanations by this method.
        outputs: `pdf`, `png`, `tsv`.
    """
    tables, standings = [], []
    for entry in localised:
        standings.append(of_controls(read_checks(entry["checks"])))
        of_run = (
            pl.lit(entry["run"]).alias("run"),
            pl.lit(standings[-1]).alias("controls"),
            pl.lit(entry["detector"]).alias("name"),
        )
        tables.append(read_localisation(entry["table"]).select(*of_run, pl.all()))
    table = pl.concat(tables)
    marks = {
        name: MARKS[worst(set(of_detector["controls"]))]
        for (name,), of_detector in table.group_by("name")
    }
    local = table.filter(pl.col("n") > 0, pl.col("value").is_not_null())
    lines = _lines(local)
    methods = local["method"].unique(maintain_order=True).to_list()
    fitting = max(1, int((_TALLEST / max(len(lines), 1) - _LINE) / _APART) + 1)
    shown = methods[:fitting]
    pitch = _LINE + _APART * (len(shown) - 1)
    figures = [_page(local, page, shown, pitch, marks) for page in _dealt(lines, pitch)] or [
        new_figure(PAGE, _AROUND)
    ]
    by_name = {
        named(people().system(entry["detector"]), of_run["method"][0], methods): standing
        for entry, of_run, standing in zip(localised, tables, standings, strict=True)
        if not of_run.is_empty()
    }
    note = wrapped_note(by_name, PAGE) if lines else _NOTHING
    for figure in figures:
        _key(figure, shown, methods, local["ci_low"])
        if note:
            figure.suptitle(note, fontsize=7, x=0.01, ha="left")
    save(figures, outputs, table)


def _dealt(lines: Sequence[dict[str, Any]], pitch: float) -> list[list[dict[str, Any]]]:
    """The lines of every page: one that goes on with an attack begins with its heading, too, and
    none ends with a heading.
    """
    dealt = []
    heading: dict[str, Any] = {}
    # One line is left for a heading that is repeated.
    for page in pages([pitch] * len(lines), _AROUND + pitch):
        here = [lines[i] for i in page]
        if here[0]["detector"] is not None:
            here.insert(0, heading)
        heading = [line for line in here if line["detector"] is None][-1]
        dealt.append(here[:-1] if here[-1] is heading else here)
    return dealt


def _page(
    local: pl.DataFrame,
    lines: Sequence[Mapping[str, Any]],
    shown: Sequence[str],
    pitch: float,
    marks: Mapping[str, str],
) -> PlotFigure:
    """Some lines, each `pitch` inches high."""
    figure = new_figure(PAGE, pitch * len(lines) + _AROUND)
    panels = figure.subplots(1, len(_METRICS), sharey=True)
    for axes, (metric, title) in zip(panels, _METRICS.items(), strict=True):
        for y, line in enumerate(lines):
            if line["detector"] is None:
                if axes is panels[0]:
                    axes.text(0.02, y, line["label"], fontsize=7, fontweight="bold", va="center")
                continue
            of_line = local.filter(
                axis=line["axis"], attack=line["attack"], name=line["detector"], metric=metric
            )
            for i, method in enumerate(shown):
                offset = (i - (len(shown) - 1) / 2) * _APART / pitch
                for row in of_line.filter(method=method).iter_rows(named=True):
                    _mark(axes, y + offset, row, COLOURS[i % len(COLOURS)])
        axes.set_title(title)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.grid(visible=False, axis="y")
    ticks = [(y, line["detector"]) for y, line in enumerate(lines) if line["detector"] is not None]
    panels[0].set_yticks(
        [y for y, _ in ticks], [people().system(name) + marks[name] for _, name in ticks]
    )
    for y, line in enumerate(lines):
        if line["detector"] is not None:
            place = panels[-1].get_yaxis_transform()
            panels[-1].text(1.06, y, line["label"], transform=place, fontsize=7, va="center")
    panels[0].set_ylim(len(lines) - 0.4, -0.6)
    for axes in panels:
        axes.tick_params(axis="y", length=0)
    return figure


def _words(attack: str) -> str:
    shown = people().attack(attack)
    return attack.replace("_", " ") if shown == attack else shown


def _lines(local: pl.DataFrame) -> list[dict[str, Any]]:
    """The lines of the figure, from above: one for each attack and axis, then its detectors."""
    lines: list[dict[str, Any]] = []
    for axis in _WHERE:
        of_axis = local.filter(axis=axis)
        attacks = sorted(set(of_axis["attack"]), key=lambda attack: (attack == ALL, attack))
        # All attacks together are the same as a single one.
        for attack in attacks if len(attacks) != 2 else attacks[:1]:
            of_attack = of_axis.filter(attack=attack)
            words = "all attacks" if attack == ALL else _words(attack)
            lines.append({"detector": None, "label": f"{words}, {_WHERE[axis]}"})
            counts = of_attack.select("name", "n", "clusters").unique(maintain_order=True)
            for name, n, clusters in counts.rows():
                units = n if clusters is None else clusters
                label = f"n = {n}{', too few' if units < LEAST_CLIPS else ''}"
                lines.append({"axis": axis, "attack": attack, "detector": name, "label": label})
    return lines


def _mark(axes: Axes, y: float, row: Mapping[str, Any], colour: str) -> None:
    """One mean with its interval, before what it is by chance."""
    if row["chance_low"] is not None:
        axes.plot(
            [row["chance_low"], row["chance_high"]],
            [y, y],
            color=_CHANCE,
            linewidth=4,
            solid_capstyle="butt",
        )
    axes.plot([row["chance"]], [y], color="#555555", marker="|", markersize=6)
    if row["ci_low"] is not None:
        axes.plot([row["ci_low"], row["ci_high"]], [y, y], color=colour, linewidth=1.1)
    axes.plot(
        [row["value"]],
        [y],
        color=colour,
        marker="o",
        markersize=4,
        markerfacecolor=colour if is_above_chance(row) else "white",
        clip_on=False,
        zorder=3,
    )


def _key(figure: Any, shown: Sequence[str], methods: Sequence[str], low: pl.Series) -> None:
    handles: list[Any] = [
        Line2D([], [], color=COLOURS[i % len(COLOURS)], marker="o", markersize=4, label=words)
        for i, words in enumerate(METHOD_TITLES[method] for method in shown)
    ]
    grey: Any = {"linestyle": "none", "marker": "o", "markersize": 4, "color": "#555555"}
    handles += [
        Line2D([], [], **grey, label="above chance"),
        Line2D([], [], **grey, markerfacecolor="white", label="not shown to be above"),
        *(
            Line2D([], [], color="#555555", linewidth=1.1, label=words)
            for words in interval_words("95 % interval", low)
        ),
        Patch(color=_CHANCE, label="chance, 95 %"),
    ]
    left_out = [METHOD_TITLES[method] for method in methods[len(shown) :]]
    if left_out:
        none: Any = {"linestyle": "none", "label": f"in the table alone: {', '.join(left_out)}"}
        handles.append(Line2D([], [], **none))
    legend_below(figure, handles, [str(handle.get_label()) for handle in handles])
