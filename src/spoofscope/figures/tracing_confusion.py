"""Which attacks tracers take for which, and which for unknown ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Patch

from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    BONAFIDE,
    PAGE,
    SPOOF,
    TALLEST,
    legend_below,
    new_figure,
    note,
    save,
)
from spoofscope.figures.traced import (
    attacks_in,
    counted_names,
    named_places,
    panel_title,
    short_names,
)
from spoofscope.names import UNKNOWN
from spoofscope.summaries.traced import settings_of
from spoofscope.tracing.traces import read_traces

FIGURE = Figure(
    title="Which attack is taken for which",
    shows="Confusion matrix of every tracer, with unknown attacks and the answer unknown.",
    caption=(
        "Share of the clips of an attack (row) with each answer (column). Numbers are clips, in "
        "brackets those of the whole row; cells without room for them have none, as with more than "
        "30 known attacks. Right answers are blue, wrong ones orange. Rows below the line are "
        "unknown attacks, for which unknown is the right answer. Answers are at the threshold "
        "chosen on dev. If not all tracers fit on a page, the first ones are shown (key "
        "tracing.shown). Of very many attacks not all names have room; the table has all."
    ),
    needs="shown_traces",
    place=172,
    section="tracing",
)

_ROW, _GAP, _AROUND = 0.2, 0.3, 1.1
_MOST_NUMBERS = 30
_ACROSS = 5.0
"""Inches of all columns, about."""
_DIGIT = 0.064
"""Inches of a digit of the smallest letters."""
_SLANTED = 0.7
"""Names at an angle lie closer to each other than names above each other."""


def draw(traced: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Draw a matrix per tracer and set, one below the other, as many as a page holds.

    Args:
        traced: name, corpus, split and the files traces and tracer.
        outputs: `pdf`, `png`, `tsv`.
    """
    read = [(e, read_traces(e["traces"]), settings_of(e)["classes"]) for e in traced]
    heights = [_ROW * sum(map(len, attacks_in(clips))) + _AROUND for _, clips, _ in read]
    fit = max(1, sum(total <= TALLEST for total in np.cumsum(heights)))
    height = min(TALLEST, sum(heights[:fit]))
    row = _ROW * height / sum(heights[:fit])
    figure = new_figure(PAGE, height)
    panels = figure.subplots(fit, 1, squeeze=False, height_ratios=heights[:fit])[:, 0]
    parts = []
    for axes, (entry, clips, classes) in zip(panels, read[:fit], strict=True):
        answers = [*classes, UNKNOWN]
        known, unknown = attacks_in(clips)
        counts = answer_counts(clips, [*known, *unknown], answers)
        _draw(axes, counts, known, unknown, answers, row)
        axes.set_title(panel_title(entry, traced), fontsize=8)
        axes.set_ylabel("attack (clips)", fontsize=7)
        parts += [
            {
                **{key: entry[key] for key in ("name", "seed", "corpus", "split")},
                "attack": attack,
                "known": "yes" if attack in known else "no",
                "answer": answer,
                "n": int(counts[i, j]),
                "share": float(counts[i, j] / counts[i].sum()),
            }
            for i, attack in enumerate((*known, *unknown))
            for j, answer in enumerate(answers)
        ]
    panels[-1].set_xlabel("answer", fontsize=7)
    looks = {"right answers": BONAFIDE, "wrong answers": SPOOF}
    handles: list[Any] = [Patch(color=colour) for colour in looks.values()]
    words = "below the line: unknown attacks"
    legend_below(figure, [*handles, note(words)], [*looks, words])
    save(figure, outputs, pl.DataFrame(parts))


def answer_counts(
    clips: pl.DataFrame, attacks: Sequence[str], answers: Sequence[str]
) -> npt.NDArray[np.int64]:
    """How many clips of each attack (row) have each answer (column)."""
    counts = np.zeros((len(attacks), len(answers)), dtype=np.int64)
    found = clips.group_by("attack", "answer").len()
    for attack, answer, n in found.iter_rows():
        counts[attacks.index(attack), answers.index(answer)] = n
    return counts


def _draw(
    axes: Axes,
    counts: npt.NDArray[np.int64],
    known: Sequence[str],
    unknown: Sequence[str],
    answers: Sequence[str],
    row: float,
) -> None:
    """A matrix, whose rows are so many inches high."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    attacks = [*known, *unknown]
    right = np.zeros(counts.shape, dtype=bool)
    for i, attack in enumerate(attacks):
        right[i, answers.index(attack if i < len(known) else UNKNOWN)] = True
    # Unknown attacks stand apart.
    edges = np.arange(len(attacks) + 1, dtype=float)
    edges[len(known) + 1 :] += _GAP
    for kind, colour in ((right, BONAFIDE), (~right, SPOOF)):
        scale = LinearSegmentedColormap.from_list(colour, ["white", colour])
        for block, gap in ((slice(0, len(known)), 0), (slice(len(known), len(attacks)), _GAP)):
            if block.start == block.stop:
                continue
            tops = edges[block.start : block.stop + 1].copy()
            tops[0] += gap
            axes.pcolormesh(
                np.arange(len(answers) + 1),
                tops,
                np.ma.masked_where(~kind, shares)[block],
                cmap=scale,
                vmin=0,
                vmax=1,
                edgecolors="white",
                linewidth=0.5,
            )
    middles = np.arange(len(attacks)) + 0.5
    middles[len(known) :] += _GAP
    if _have_room(counts, row):
        for (i, j), n in np.ndenumerate(counts):
            if n:
                colour = "white" if shares[i, j] > 0.6 else "black"
                axes.text(
                    j + 0.5,
                    float(middles[i]),
                    f"{n}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color=colour,
                )
    # The line is there without known attacks, too.
    if unknown:
        axes.axhline(len(known) + _GAP / 2, color="black", linewidth=0.6)
    axes.set_ylim(middles[-1] + 0.5, 0)
    axes.set_xlim(0, len(answers))
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    labels = counted_names(attacks, dict(zip(attacks, counts.sum(axis=1), strict=True)))
    down = named_places(len(attacks), row)
    axes.set_yticks([middles[i] for i in down], [labels[i] for i in down], fontsize=7)
    # Counted from the last, which is the answer unknown.
    places = named_places(len(answers), _SLANTED * _ACROSS / len(answers))
    across, short = [len(answers) - 1 - i for i in places], short_names(answers)
    axes.set_xticks(
        [i + 0.5 for i in across],
        [short[i] for i in across],
        rotation=35,
        ha="right",
        rotation_mode="anchor",
        fontsize=7,
    )


def _have_room(counts: npt.NDArray[np.int64], row: float) -> bool:
    """Whether the numbers of a matrix, whose rows are so many inches high, do not touch."""
    n_answers = counts.shape[1]
    if n_answers - 1 > _MOST_NUMBERS or named_places(len(counts), row).step > 1:
        return False
    digits = np.array([[len(f"{n}") if n else 0 for n in of_attack] for of_attack in counts])
    beside = np.where((digits[:, :-1] > 0) & (digits[:, 1:] > 0), digits[:, :-1] + digits[:, 1:], 0)
    return bool(_DIGIT * beside.max(initial=0) / 2 < _ACROSS / n_answers)
