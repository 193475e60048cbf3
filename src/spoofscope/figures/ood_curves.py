"""How well each detector of unknown attacks tells them, over all thresholds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from spoofscope.exhibits import Figure
from spoofscope.figures.fitting import shortened
from spoofscope.figures.style import interval_words, line_style, panel_pages, save
from spoofscope.figures.traced import panel_title, unchecked
from spoofscope.metrics.slices import OVERALL, SCORE
from spoofscope.selection.operating_points import det_curve
from spoofscope.summaries.traced import read_measures, settings_of
from spoofscope.tracing.systems import KNOWN
from spoofscope.tracing.traces import read_traces

FIGURE = Figure(
    title="Telling unknown attacks",
    shows="ROC curves of every detector of unknown attacks, with AUROC and interval.",
    caption=(
        "Share of the clips of unknown attacks that are found, over the share of known clips (of "
        "attacks that the tracer was trained on, and of bona fide speech if it was trained with "
        "it) that are called unknown, for all thresholds. Higher is better; the diagonal is "
        "chance. The legend has the AUROC with its 95 % interval. A curve below the diagonal has "
        "the wrong sign; the line below its AUROC has that of the other sign. Where dev has no "
        "unknown attack, the title says that the polarity is not checked: which sign is right is "
        "then not known before the answers are. The thick curve is of the detector that "
        "decides, the dot with a ring its threshold chosen on dev."
    ),
    needs="shown_measures",
    place=176,
    section="tracing",
)


_COLUMNS: dict[str, pl.DataType] = {
    "name": pl.String(),
    "seed": pl.Int64(),
    "corpus": pl.String(),
    "split": pl.String(),
    "detector": pl.String(),
    **dict.fromkeys(("auroc", "auroc_low", "auroc_high"), pl.Float64()),
    **dict.fromkeys(("known_rejected", "unknown_found"), pl.Float64()),
}


def draw(traced: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Draw one panel per tracer and set, each with its legend beside it.

    Args:
        traced: as in `tracing_confusion.draw`, and the file metrics.
        outputs: `pdf`, `png`, `tsv`.
    """
    aurocs = [
        {
            row["detector"]: row
            for row in read_measures(entry["metrics"])
            .filter(slice=OVERALL, metric="auroc")
            .iter_rows(named=True)
        }
        for entry in traced
    ]
    figures, panels = panel_pages(len(traced), 2, max(2.25, *map(_height_of_legend, aurocs)))
    rows = []
    # Tracers may have different detectors; one has the same style in all panels.
    everything = sorted({name for entry in traced for name in settings_of(entry)["ood"]})
    styles = {name: line_style(i) for i, name in enumerate(everything)}
    for axes, entry, measured in zip(panels, traced, aurocs, strict=True):
        settings = settings_of(entry)
        clips = read_traces(entry["traces"])
        known, unknown = (clips.filter(known=word) for word in KNOWN)
        axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.6)
        chosen = []
        for name in sorted(settings["ood"]):
            if not known.height or not unknown.height:
                continue
            found = measured[name]
            decides = name == settings["decide_by"]
            accepted, other = (part[SCORE + name].to_numpy() for part in (known, unknown))
            curve = det_curve(other, accepted)
            style = styles[name] | {"linewidth": 2.0 if decides else 0.9}
            axes.plot(curve.p_fa, 1 - curve.p_miss, label=_label(name, found), **style)
            threshold = settings["ood"][name]["threshold"]
            point = float((accepted >= threshold).mean()), float((other >= threshold).mean())
            if decides:
                chosen.append((point, style["color"]))
            rows += [
                {
                    **{key: entry[key] for key in ("name", "seed", "corpus", "split")},
                    "detector": name,
                    "auroc": found["estimate"],
                    "auroc_low": found["low"],
                    "auroc_high": found["high"],
                    "known_rejected": float(x),
                    "unknown_found": float(y),
                }
                for x, y in zip(*_thinned(curve.p_fa, 1 - curve.p_miss), strict=True)
            ]
        for point, colour in chosen:
            # The ring sets it off from the thick curve of its colour.
            ring: dict[str, Any] = {"markeredgecolor": "black", "markeredgewidth": 1.0, "zorder": 5}
            label = "threshold of dev"
            axes.plot(*point, "o", markersize=6, color=colour, label=label, **ring)
        clips_there = f"{known.height} known clips, {unknown.height} unknown"
        lines = [panel_title(entry, traced), clips_there, *unchecked(settings)]
        axes.set_title("\n".join(lines), fontsize=7)
        axes.set_aspect("equal")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_xlabel("known called unknown", fontsize=7)
        axes.set_ylabel("unknown found", fontsize=7)
        if known.height and unknown.height:
            axes.legend(
                loc="center left",
                bbox_to_anchor=(1.0, 0.5),
                title=" ".join(["AUROC", *interval_words("[95 % interval]", _lows(measured))]),
                title_fontsize=7,
                handlelength=1.2,
            )
    save(figures, outputs, pl.DataFrame(rows, schema=_COLUMNS))


def _lows(measured: Mapping[str, Mapping[str, Any]]) -> pl.Series:
    return pl.Series([row["low"] for row in measured.values()], dtype=pl.Float64)


def _height_of_legend(measured: Mapping[str, Mapping[str, Any]]) -> float:
    """Inches of the legend beside a panel, which must not press the panel together."""
    labels = [_label(name, row) for name, row in measured.items() if row["estimate"] is not None]
    lines = sum(label.count("\n") + 1 for label in labels)
    # Lines of 7 points, half of one between entries, the dot, and the heading.
    return 0.12 * (lines + 2) + 0.05 * (len(labels) + 1) + 0.2


_MOST_POINTS = 500


def _thinned(*values: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """The same places of each array, first and last among them, at most so many."""
    places = np.unique(np.linspace(0, values[0].size - 1, _MOST_POINTS).round().astype(int))
    return [of[places] for of in values]


def _label(name: str, found: Mapping[str, Any]) -> str:
    value = found["estimate"]
    name = shortened(name, 16)
    # Longer ones press the panel out of a figure of one column.
    between = " " if len(name) < 10 else "\n"
    text = f"{name}{between}{value:.2f}"
    if found["low"] is not None:
        text += f" [{found['low']:.2f}, {found['high']:.2f}]"
    return text if value >= 0.5 else f"{text}\nother sign: {1 - value:.2f}"
