"""Scores of two systems against each other, and the clips on which they disagree."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from spoofscope.disagreements import NO_AUDIO
from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    BONAFIDE,
    COLUMN,
    PAGE,
    SPOOF,
    legend_below,
    new_figure,
    pages,
    people,
    save,
)
from spoofscope.identity import rng_of
from spoofscope.p_values import p_is
from spoofscope.summaries.disagreements import read_counts
from spoofscope.summaries.inputs import read_scored
from spoofscope.tables import LABELS, read_table

FIGURE = Figure(
    title="Where two systems disagree",
    shows="Scores of two systems against each other, with the exported clips.",
    caption=(
        "Scores of the system that has to be right over scores of the system that has to be "
        "wrong; dashed lines are their thresholds, chosen on development data: right of it and "
        "above it clips are accepted as bona fide. Each corner names what both decide there, and "
        "gives the number of clips of each class, with those that are not drawn. Clips far beyond "
        "nine tenths of the others stand at the edge. "
        "Rings with numbers mark the clips that were exported as audio, a random sample, evenly "
        "over the attacks and bona fide. McNemar's exact test asks whether the two systems err "
        "equally often; clips of a speaker count as one if speakers are known."
    ),
    needs="judged_pairs",
    place=180,
)

_COLUMNS = 2
# Inches of a panel, and of the legend.
_HEIGHT, _LEGEND = 3.2, 0.35
# Points between the axes and the title, and between the ticks' labels and the label of the axis:
# the counts of the corners, in three lines, stand there.
_ABOVE, _BELOW = 26, 27
_LOOKS = {"bonafide": ("bona fide", BONAFIDE, "o"), "spoof": ("spoof", SPOOF, "^")}

MOST_POINTS = 1500
"""Most clips of a class in a panel, drawn at random; more points would cover each other."""


def draw(entries: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Draw one panel per disagreement: the score of one system over the score of the other.

    Dashed lines are the thresholds. Each of the four fields has its number of clips of each class;
    it counts all clips, while at most `MOST_POINTS` of a class are drawn. Rings mark the clips that
    were exported as audio, with their numbers.

    Args:
        entries: name, right and wrong (id, seed, name), corpus and split of each; files are its
            `list` of clips, its `counts`, the `manifest`, and the `scores` of right and wrong.
        outputs: `pdf`, `png`, `tsv`.
    """
    columns = min(_COLUMNS, len(entries))
    lines = [entries[i : i + columns] for i in range(0, len(entries), columns)]
    figures = []
    numbers = []
    for page in pages([_HEIGHT] * len(lines), _LEGEND):
        figure = new_figure(COLUMN if columns == 1 else PAGE, _HEIGHT * len(page) + _LEGEND)
        figures.append(figure)
        panels = figure.subplots(len(page), columns, squeeze=False)
        for of_line, i in zip(panels, page, strict=True):
            for axes in of_line[len(lines[i]) :]:
                axes.set_axis_off()
            for axes, entry in zip(of_line, lines[i], strict=False):
                points = _points(entry)
                _panel(axes, entry, points, read_counts(entry["counts"]))
                numbers.append(points.select(pl.lit(entry["name"]).alias("name"), pl.all()))
        legend_below(figure, *panels[0, 0].get_legend_handles_labels())
    save(figures, outputs, pl.concat(numbers))


def _points(entry: Mapping[str, Any]) -> pl.DataFrame:
    """utt_id, label, attack, both scores and the number of the export (empty without)."""
    tables = {
        role: read_scored(scores, entry["manifest"], entry["split"])
        for role, scores in entry["scores"].items()
    }
    listed = read_table(entry["list"], {"utt_id": pl.String(), "audio": pl.String()})
    exported = listed.filter(pl.col("audio") != NO_AUDIO)["utt_id"].to_list()
    numbered = {utt_id: i for i, utt_id in enumerate(exported, start=1)}
    scores = tables["right"].select(
        "utt_id",
        "label",
        "attack",
        score_right="score",
        score_wrong=tables["wrong"]["score"],
        exported=pl.col("utt_id").replace_strict(numbered, default=None, return_dtype=pl.Int64),
    )
    drawn_points = []
    for label in LABELS:
        of_label = scores.filter(pl.col("label") == label)
        drawn = rng_of("points of disagreements", entry["name"], label).permutation(of_label.height)
        mask = np.zeros(of_label.height, dtype=bool)
        mask[drawn[:MOST_POINTS]] = True
        drawn_points.append(of_label.filter(pl.Series(mask) | pl.col("exported").is_not_null()))
    return pl.concat(drawn_points)


def _panel(
    axes: Axes, entry: Mapping[str, Any], points: pl.DataFrame, counts: Mapping[str, Any]
) -> None:
    across, up = counts["all"]["threshold_right"], counts["all"]["threshold_wrong"]
    limits = [
        _limits(points[column].to_numpy(), threshold)
        for column, threshold in (("score_right", across), ("score_wrong", up))
    ]
    # What lies far outside stands at the edge.
    margin = [0.02 * (high - low) for low, high in limits]
    shown = points.with_columns(
        pl.col(column).clip(low + around, high - around)
        for column, (low, high), around in zip(
            ("score_right", "score_wrong"), limits, margin, strict=True
        )
    )
    for label, (name, colour, marker) in _LOOKS.items():
        of_label = shown.filter(pl.col("label") == label)
        axes.scatter(
            of_label["score_right"].to_numpy(),
            of_label["score_wrong"].to_numpy(),
            s=9,
            color=colour,
            marker=marker,
            alpha=0.55,
            linewidths=0,
            label=name,
            rasterized=True,
        )
    exported = shown.filter(pl.col("exported").is_not_null())
    axes.scatter(
        exported["score_right"].to_numpy(),
        exported["score_wrong"].to_numpy(),
        s=42,
        facecolors="none",
        edgecolors="black",
        linewidths=0.8,
        label="exported as audio",
    )
    axes.axvline(across, color="black", linestyle="--", linewidth=0.8)
    axes.axhline(up, color="black", linestyle="--", linewidth=0.8)
    axes.set_xlim(*limits[0])
    axes.set_ylim(*limits[1])
    _number(axes, exported)
    axes.grid(visible=False)
    _write_counts(axes, counts)
    right, wrong = entry["right"][2], entry["wrong"][2]
    trials = people().trials(entry["corpus"], entry["split"])
    axes.set_title(f"{trials}\nMcNemar {_p(counts)}", fontsize=8, pad=_ABOVE)
    axes.set_xlabel(f"score of {people().system(right)}", labelpad=_BELOW)
    axes.set_ylabel(f"score of {people().system(wrong)}")


def _number(axes: Axes, exported: pl.DataFrame) -> None:
    """The numbers of exported clips beside their rings; of a heap of rings beside its first."""
    places = exported.select("score_right", "score_wrong").to_numpy()
    spans = np.array([abs(end - start) for start, end in (axes.get_xlim(), axes.get_ylim())])
    heaps: list[list[int]] = []
    for i, place in enumerate(places):
        near = (h for h in heaps if (np.abs(place - places[h[0]]) / spans < _HEAP).all())
        heap = next(near, None)
        if heap is None:
            heaps.append(heap := [])
        heap.append(i)
    numbers = exported["exported"].to_list()
    for heap in heaps:
        side = 1 if places[heap[0]][0] < sum(axes.get_xlim()) / 2 else -1
        axes.annotate(
            ", ".join(str(number) for number in sorted(numbers[i] for i in heap)),
            places[heap[0]],
            xytext=(5 * side, 5),
            textcoords="offset points",
            fontsize=7,
            ha="left" if side > 0 else "right",
            path_effects=[withStroke(linewidth=1.6, foreground="white")],
        )


_HEAP = 0.06
"""Shares of the axes within which rings have one label."""


def _limits(scores: npt.NDArray[np.float64], threshold: float) -> tuple[float, float]:
    """Of an axis: the threshold and all scores, but for those far beyond nine tenths of them."""
    low, high = np.quantile(scores, [0.05, 0.95])
    reach = 0.5 * (high - low)
    first = min(threshold, max(float(scores.min()), float(low - reach)))
    last = max(threshold, min(float(scores.max()), float(high + reach)))
    around = 0.08 * (last - first) or 1.0
    return first - around, last + around


def _write_counts(axes: Axes, counts: Mapping[str, Any]) -> None:
    """What both systems decide in each corner, and how many clips of each class it holds.

    It stands outside of the axes, above and below them, where it hides no point.
    """
    # The name of a corner, by whether the first and the second system accept.
    fields = {
        "bonafide": ["both_wrong", "only_right", "only_wrong", "both_right"],
        "spoof": ["both_right", "only_wrong", "only_right", "both_wrong"],
    }
    words = ["both: spoof", "only →: bona fide", "only ↑: bona fide", "both: bona fide"]
    for i, (x, y) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        present = [label for label in LABELS if label in counts]
        for line, label in enumerate([None, *present]):
            number = None if label is None else counts[label][fields[label][i]]
            text = words[i] if label is None else f"{number} {_LOOKS[label][0]}"
            below = len(present) - line if y else line
            axes.annotate(
                text,
                (x, y),
                (0, 2 + 8 * below if y else -16 - 8 * below),
                xycoords="axes fraction",
                textcoords="offset points",
                color="black" if label is None else _LOOKS[label][1],
                fontsize=7,
                ha="right" if x else "left",
                va="bottom" if y else "top",
                annotation_clip=False,
            )


def _p(counts: Mapping[str, Any]) -> str:
    p = counts["all"]["mcnemar_p"]
    if p is None:
        return "untested: one clip or speaker of a class"
    return p_is(p)
