"""How well tracers do per language, family and quadrant."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    CHANCE,
    COLOURS,
    PAGE,
    TALLEST,
    interval_words,
    legend_below,
    new_figure,
    note,
    people,
    save,
)
from spoofscope.figures.traced import named_places, short_names
from spoofscope.summaries.tracing_slices import tracing_slices

FIGURE = Figure(
    title="Source tracing per language, family and quadrant",
    shows="Balanced accuracy and AUROC of unknown attacks, per language, family and quadrant.",
    caption=(
        "Left: balanced accuracy over known attacks (and bona fide speech, if the tracer was "
        "trained with it, which then counts as known), without a threshold. Right: AUROC of known "
        "against unknown clips, by the detector of unknown attacks that decides; 50 % is chance. "
        "A quadrant says whether train has the language, and whether it has the attack. Lines are "
        "95 % intervals, for which whole attacks (or texts) are drawn again; where there are too "
        "few of these, there is none. Numbers of clips, known and unknown, are in brackets; "
        "they are of the first tracer, and one that was trained with other classes has others. Of "
        "very many languages or families not all names have room; the table has all."
    ),
    needs="shown_measures",
    place=181,
    section="tracing",
)

_QUADRANTS = {
    f"language_{language}_attack_{attack}": f"{language} lang., {attack} att."
    for language in ("seen", "unseen")
    for attack in ("seen", "unseen")
}
_MARKS = "osD^vPX*"
_PANELS = (("balanced_accuracy", "balanced accuracy (%)"), ("auroc", "AUROC of unknown (%)"))


def draw(traced: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Draw a pair of panels per set, with a row per level and a dot per tracer.

    Args:
        traced: as in `summaries.tracing_slices.tracing_slices`.
        outputs: `pdf`, `png`, `tsv`.
    """
    table = tracing_slices(traced)
    names = table["name"].unique(maintain_order=True).to_list()
    sets = table.select("corpus", "split").unique(maintain_order=True).rows()
    rows = [table.filter(corpus=c, split=s).select("slice", "value").n_unique() for c, s in sets]
    heights = [(0.1 + 0.08 * len(names)) * n + 0.8 for n in rows]
    height = min(TALLEST, max(1.8, sum(heights) + 0.3))
    row = (0.1 + 0.08 * len(names)) * height / (sum(heights) + 0.3)
    figure = new_figure(PAGE, height)
    handles: dict[str, Any] = {}
    if sets:
        panels = figure.subplots(len(sets), 2, squeeze=False, sharey="row", height_ratios=heights)
        for line, (corpus, split) in zip(panels, sets, strict=True):
            of_set = table.filter(corpus=corpus, split=split)
            for axes, (metric, label) in zip(line, _PANELS, strict=True):
                handles |= _draw(axes, of_set, metric, names, row)
                axes.set_xlabel(label, fontsize=7)
                if len(sets) > 1:
                    axes.set_title(people().trials(corpus, split), fontsize=7.5)
    else:
        figure.text(0.5, 0.5, "No clip has a language, family or quadrant.", ha="center")
    low = (table[f"{metric}_low"] for metric, _ in _PANELS)
    words = interval_words("lines: 95 % intervals", *low)
    shown = [people().system(name) for name in handles]
    chance = [Line2D([], [], **CHANCE)] if sets else []
    key = [*handles.values(), *chance, *map(note, words)]
    legend_below(figure, key, [*shown, *["chance"] * len(chance), *words])
    save(figure, outputs, table)


def _draw(
    axes: Axes, table: pl.DataFrame, metric: str, names: Sequence[str], row_height: float
) -> dict[str, Any]:
    """A panel, whose rows are so many inches high."""
    levels = table.unique(["slice", "value"], maintain_order=True)
    keys = levels.select("slice", "value").rows()
    handles = {}
    for i, name in enumerate(names):
        drawn = table.filter(pl.col("name") == name, pl.col(metric).is_not_null())
        shift = (i - (len(names) - 1) / 2) * 0.7 / len(names)
        style: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)]}
        for row in drawn.iter_rows(named=True):
            y = keys.index((row["slice"], row["value"])) + shift
            if row[f"{metric}_low"] is not None:
                ends = [100 * row[f"{metric}_low"], 100 * row[f"{metric}_high"]]
                axes.plot(ends, [y, y], linewidth=0.8, **style)
            (handles[name],) = axes.plot(
                [100 * row[metric]],
                [y],
                linestyle="none",
                marker=_MARKS[i % len(_MARKS)],
                markersize=3,
                **style,
            )
    if metric == "auroc":
        axes.axvline(50, **CHANCE)
    counts = [
        f" ({known} + {unknown})" for known, unknown in levels.select("n_known", "n_unknown").rows()
    ]
    words = [_QUADRANTS.get(value, value) if each == "quadrant" else value for each, value in keys]
    labels = [f"{word}{count}" for word, count in zip(short_names(words, 30), counts, strict=True)]
    named = named_places(len(keys), row_height)
    axes.set_yticks(list(named), [labels[i] for i in named], fontsize=7)
    axes.set_ylim(len(keys) - 0.4, -0.6)
    axes.set_xlim(-2, 102)
    for place, (one, other) in enumerate(itertools.pairwise(keys)):
        if one[0] != other[0]:
            axes.axhline(place + 0.5, color="#222222", linewidth=0.6)
    return handles
