"""How well tracers do on every single attack."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
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
from spoofscope.figures.traced import counted_names, named_places
from spoofscope.summaries.traced import settings_of
from spoofscope.summaries.tracing_attacks import attacks_of
from spoofscope.tracing.systems import KNOWN
from spoofscope.tracing.traces import read_traces

FIGURE = Figure(
    title="Source tracing per attack",
    shows="Recall of every known attack, and how often every unknown one is called unknown.",
    caption=(
        "Left: share of the clips of a known attack whose likeliest attack is the right one, "
        "without a threshold: at it, some of them are called unknown. Right: share of the clips "
        "of an unknown attack that are called unknown, at the threshold chosen on dev. Lines are "
        "exact binomial 95 % intervals of single clips, so they are too narrow where clips of an "
        "attack are alike. The numbers of clips are in brackets. Of very many attacks not all "
        "names have room; the table has all."
    ),
    needs="shown_traces",
    place=179,
    section="tracing",
)

_MARKS = "osD^vPX*"
_PANELS = ((KNOWN[0], "recall", "known: likeliest is right (%)"),
           (KNOWN[1], "called_unknown", "unknown: called unknown (%)"))  # fmt: skip


def draw(traced: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Draw a pair of panels per set, with a dot per attack and tracer.

    Args:
        traced: as in `tracing_confusion.draw`.
        outputs: `pdf`, `png`, `tsv`.
    """
    names = list(dict.fromkeys(entry["name"] for entry in traced))
    table = pl.concat(
        attacks_of(read_traces(entry["traces"]), settings_of(entry)["decide_by"]).select(
            *(pl.lit(entry[key]).alias(key) for key in ("name", "seed", "corpus", "split")),
            pl.all(),
        )
        for entry in traced
    )
    sets = table.select("corpus", "split").unique(maintain_order=True).rows()
    rows = [
        max(
            table.filter(corpus=corpus, split=split, known=word)["attack"].n_unique()
            for word in KNOWN
        )
        for corpus, split in sets
    ]
    # Inches of a row, as many as there are to be read, less where a page has too many.
    heights = [(0.1 + 0.1 * len(names)) * n + 0.8 for n in rows]
    height = min(TALLEST, max(1.8, sum(heights) + 0.3))
    row = (0.1 + 0.1 * len(names)) * height / (sum(heights) + 0.3)
    figure = new_figure(PAGE, height)
    panels = figure.subplots(len(sets), 2, squeeze=False, height_ratios=heights)
    handles: dict[str, Any] = {}
    for line, (corpus, split) in zip(panels, sets, strict=True):
        for axes, (word, rate, label) in zip(line, _PANELS, strict=True):
            of_panel = table.filter(corpus=corpus, split=split, known=word)
            if of_panel.is_empty():
                axes.set_visible(False)
                continue
            handles |= _draw(axes, of_panel, rate, names, row)
            axes.set_xlabel(label, fontsize=7)
            if len(sets) > 1:
                axes.set_title(people().trials(corpus, split), fontsize=7.5)
    low = (table[f"{rate}_low"] for _, rate, _ in _PANELS)
    words = interval_words("lines: 95 % intervals", *low)
    names_shown = [people().system(name) for name in handles]
    legend_below(figure, [*handles.values(), *map(note, words)], [*names_shown, *words])
    save(figure, outputs, table)


def _draw(
    axes: Axes, table: pl.DataFrame, rate: str, names: Sequence[str], row: float
) -> dict[str, Any]:
    """A panel, whose rows are so many inches high."""
    attacks = table["attack"].unique(maintain_order=True).to_list()
    counts = dict(table.select("attack", "n").iter_rows())
    handles = {}
    for i, name in enumerate(names):
        own = table.filter(name=name)
        if own.is_empty():
            continue
        shift = (i - (len(names) - 1) / 2) * 0.8 / len(names)
        places = np.array([attacks.index(attack) for attack in own["attack"]]) + shift
        values = 100 * own[rate].to_numpy()
        ends = [100 * own[f"{rate}_{end}"].to_numpy() for end in ("low", "high")]
        handles[name] = axes.errorbar(
            values,
            places,
            xerr=[values - ends[0], ends[1] - values],
            fmt=_MARKS[i % len(_MARKS)],
            color=COLOURS[i % len(COLOURS)],
            markersize=3,
            elinewidth=0.8,
        )
    labels = counted_names(attacks, counts)
    named = named_places(len(attacks), row)
    axes.set_yticks(list(named), [labels[i] for i in named], fontsize=7)
    axes.set_ylim(len(attacks) - 0.4, -0.6)
    axes.set_xlim(-2, 102)
    return handles
