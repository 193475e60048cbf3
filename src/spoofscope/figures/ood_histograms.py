"""Scores of known and of unknown attacks, with the threshold chosen on dev."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from spoofscope.exhibits import Figure
from spoofscope.figures.style import BONAFIDE, SPOOF, legend_below, panel_pages, save
from spoofscope.figures.traced import panel_title, unchecked
from spoofscope.metrics.slices import SCORE
from spoofscope.summaries.traced import settings_of
from spoofscope.tracing.systems import KNOWN
from spoofscope.tracing.traces import read_traces

FIGURE = Figure(
    title="Scores of known and unknown attacks",
    shows="Distribution of the score that tells unknown attacks, with its threshold.",
    caption=(
        "Distribution of the score that decides whether an attack is unknown (higher means more "
        "unknown), for known clips (of attacks that the tracer was trained on, and of bona fide "
        "speech if it was trained with it) and for clips of unknown attacks. The dashed line is "
        "the threshold chosen on dev: clips to its right are called unknown. The numbers are clips "
        "on the wrong side. Where dev has no unknown attack, the title says that the polarity is "
        "not checked: nothing has shown that unknown attacks score higher."
    ),
    needs="shown_traces",
    place=174,
    section="tracing",
)

_BINS, _COLUMNS = 40, 3


def draw(traced: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Draw one panel per tracer and set; arguments as in `tracing_confusion.draw`."""
    figures, panels = panel_pages(len(traced), _COLUMNS, 2.1, 0.3)
    rows = []
    for axes, entry in zip(panels, traced, strict=True):
        settings = settings_of(entry)
        decides = settings["decide_by"]
        threshold = settings["ood"][decides]["threshold"]
        clips = read_traces(entry["traces"])
        both = clips[SCORE + decides].to_numpy()
        low, high = np.quantile(np.append(both, threshold), [0.002, 0.998])
        edges = np.linspace(low, high, _BINS + 1) if high > low else np.array([low, low + 1])
        wrong = []
        for word, name, colour in zip(KNOWN, ("known", "unknown"), (BONAFIDE, SPOOF), strict=True):
            scores = clips.filter(known=word)[SCORE + decides].to_numpy()
            if not scores.size:
                continue
            beyond = int((scores >= threshold).sum())
            missed = beyond if word == KNOWN[0] else scores.size - beyond
            said = "unknown" if word == KNOWN[0] else "known"
            wrong.append(f"{name} called {said}: {missed} of {scores.size}")
            # Outliers are counted in the outermost bins.
            counts, _ = np.histogram(np.clip(scores, edges[0], edges[-1]), bins=edges)
            shares = 100 * counts / counts.sum()
            axes.stairs(shares, edges, fill=True, color=colour, alpha=0.35)
            axes.stairs(shares, edges, color=colour, linewidth=1.0, label=f"{name} clips")
            rows += [
                {
                    **{key: entry[key] for key in ("name", "seed", "corpus", "split")},
                    "detector": decides,
                    "threshold": threshold,
                    "known": word,
                    "bin_low": float(edges[i]),
                    "bin_high": float(edges[i + 1]),
                    "count": int(n),
                }
                for i, n in enumerate(counts)
            ]
        axes.axvline(threshold, color="black", linestyle="--", linewidth=0.9, label="threshold")
        axes.set_title(
            "\n".join([panel_title(entry, traced), *wrong, *unchecked(settings)]), fontsize=7
        )
        axes.set_xlabel(f"{decides} (higher = more unknown)", fontsize=7)
        axes.locator_params(axis="y", nbins=3)
        axes.locator_params(axis="x", nbins=4)
        axes.grid(visible=False)
        axes.set_ylabel("clips (%)", fontsize=7)
    for figure in figures:
        # A set may have clips of one kind alone.
        handles: dict[str, Any] = {}
        for axes in figure.axes:
            drawn, labels = axes.get_legend_handles_labels()
            handles = dict(zip(labels, drawn, strict=True)) | handles
        legend_below(figure, list(handles.values()), list(handles))
    save(figures, outputs, pl.DataFrame(rows))
