"""Scores of two systems against each other, and the clips on which they disagree."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from spoofscope.disagreements import NO_AUDIO
from spoofscope.exhibits import Figure
from spoofscope.figures.style import BONAFIDE, SPOOF, new_figure, save
from spoofscope.identity import rng_of
from spoofscope.summaries.disagreements import read_counts
from spoofscope.summaries.inputs import read_scored
from spoofscope.tables import LABELS, read_table

FIGURE = Figure(
    title="Where two systems disagree",
    shows="Scores of two systems against each other, with the exported clips.",
    caption=(
        "Scores of the system that has to be right over scores of the system that has to be "
        "wrong; dashed lines are their thresholds, chosen on development data. The corners give "
        "the number of clips of each class; they count all clips, even if only some are drawn. "
        "Rings with numbers mark the clips that were exported as audio, a random sample, evenly "
        "over the attacks and bona fide. McNemar's exact test asks whether the two systems err "
        "equally often; clips of a speaker count as one if speakers are known."
    ),
    needs="judged_pairs",
    place=180,
)

_COLUMNS = 3
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
    rows = -(-len(entries) // columns)
    figure = new_figure(3.3 * columns, 3.35 * rows + 0.3)
    numbers = []
    for place, entry in enumerate(entries):
        axes = figure.add_subplot(rows, columns, place + 1)
        points = _points(entry)
        counts = read_counts(entry["counts"])
        _panel(axes, entry, points, counts)
        numbers.append(points.select(pl.lit(entry["name"]).alias("name"), pl.all()))
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    save(figure, outputs, pl.concat(numbers))


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
    for label, (name, colour, marker) in _LOOKS.items():
        of_label = points.filter(pl.col("label") == label)
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
    exported = points.filter(pl.col("exported").is_not_null())
    axes.scatter(
        exported["score_right"].to_numpy(),
        exported["score_wrong"].to_numpy(),
        s=42,
        facecolors="none",
        edgecolors="black",
        linewidths=0.8,
        label="exported as audio",
    )
    for row in exported.iter_rows(named=True):
        axes.annotate(
            str(row["exported"]),
            (row["score_right"], row["score_wrong"]),
            xytext=(4, 4),
            textcoords="offset points",
            fontsize=6.5,
            path_effects=[withStroke(linewidth=1.6, foreground="white")],
        )
    axes.axvline(counts["all"]["threshold_right"], color="black", linestyle="--", linewidth=0.8)
    axes.axhline(counts["all"]["threshold_wrong"], color="black", linestyle="--", linewidth=0.8)
    # Room for the counts in the corners.
    axes.margins(0.14)
    _write_counts(axes, counts)
    right, wrong = entry["right"][2], entry["wrong"][2]
    axes.set_title(f"{entry['corpus']}, {entry['split']}; McNemar {_p(counts)}", fontsize=7.5)
    axes.set_xlabel(f"score of {right}")
    axes.set_ylabel(f"score of {wrong}")


def _write_counts(axes: Axes, counts: Mapping[str, Any]) -> None:
    """Number of clips of a class in each corner: left and below are the decisions for spoof."""
    # The name of a corner, by whether the first and the second system accept.
    fields = {
        "bonafide": ["both_wrong", "only_right", "only_wrong", "both_right"],
        "spoof": ["both_right", "only_wrong", "only_right", "both_wrong"],
    }
    corners = [(0, 0), (1, 0), (0, 1), (1, 1)]
    for i, (x, y) in enumerate(corners):
        present = [label for label in LABELS if label in counts]
        for line, label in enumerate(present):
            below = line if y else len(present) - 1 - line
            axes.text(
                0.98 if x else 0.02,
                (0.985 - 0.05 * below) if y else (0.015 + 0.05 * below),
                f"{counts[label][fields[label][i]]} {_LOOKS[label][0]}",
                color=_LOOKS[label][1],
                fontsize=6.5,
                ha="right" if x else "left",
                va="top" if y else "bottom",
                transform=axes.transAxes,
            )


def _p(counts: Mapping[str, Any]) -> str:
    p = counts["all"]["mcnemar_p"]
    if p is None:
        return "untested: one clip or speaker of a class"
    return f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"
