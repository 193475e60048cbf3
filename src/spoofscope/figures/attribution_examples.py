"""The evidence that several detectors see in the same clips, over their spectrograms."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from scipy.stats import spearmanr

from spoofscope import audio
from spoofscope.attribution.store import Attributions, Explanation
from spoofscope.attribution.verdicts import MARKS, of_controls, read_checks, wrapped_note
from spoofscope.exhibits import Figure
from spoofscope.figures.clips import (
    EVIDENCE,
    KNOWN,
    completeness_keys,
    draw_spectrogram,
    draw_tiers,
    evidence_curve,
    frame_edges,
    median_clips,
    score_of,
    tier_keys,
)
from spoofscope.figures.style import PAGE, TALLEST, legend_below, new_figure, note, people, save
from spoofscope.tables import read_manifest, read_segments

FIGURE = Figure(
    title="Attribution in example clips",
    shows="The evidence of all detectors in the same clips, over their spectrograms.",
    caption=(
        "Spectrograms of one bona fide clip and of one clip per attack, as many as a page holds: "
        "of each the clip with the median score of the first detector. A row below is a detector: "
        "its evidence by its first method of attribution, summed over layers or bands. Orange is "
        "evidence for spoof, blue for bona fide, relative to the baseline: if the detector calls "
        "that spoof, spoofs have evidence for bona fide, too. Every row is scaled to its own "
        "largest magnitude, so colours compare places in a clip, and neither clips nor detectors. "
        "At the right are the scores; * marks an explanation that is not complete. ρ is the mean "
        "rank correlation of the evidence of two detectors. Dark bars at the top mark segments "
        "with known artefacts. Where an aligner has aligned these clips (section aligners), light "
        "bars at the bottom are silences, and ticks are edges of phones or characters, long ticks "
        "of words. A mark behind a detector's name says that its explanations fail their controls "
        "(†), or that it is undecided whether they pass them (‡)."
    ),
    needs="explanations",
    place=210,
)

_COLUMNS = 2
# Inches: of a page, of the keys below the panels, of the colours among them, of a spectrogram with
# its title and axis, of the evidence of a detector.
_PAGE, _KEYS, _KEY, _SPECTROGRAM, _STRIP = 9.2, 0.8, 0.1, 1.05, 0.16


def agreement(explanations: Sequence[Explanation]) -> float | None:
    """Mean rank correlation of the smoothed evidence of two detectors in a clip, over all pairs.

    Evidence is compared at the frames of the detector with the fewest. None with one detector, or
    where the evidence of one is the same everywhere.
    """
    if len(explanations) < 2:
        return None
    times = min((e.times[e.seen] for e in explanations), key=len)
    curves = [np.interp(times, e.times, evidence_curve(e)) for e in explanations]
    if len(times) < 3 or any(np.ptp(curve) == 0 for curve in curves):
        return None
    return float(np.mean([spearmanr(a, b).statistic for a, b in combinations(curves, 2)]))


def draw(
    explained: Sequence[Mapping[str, Any]],
    manifest: str,
    segments: str,
    alignment: str | Sequence[str],
    outputs: Mapping[str, str],
) -> None:
    """Draw the spectrogram of each clip, and below it the evidence of every detector.

    Args:
        explained: run, seed, detector (its name), `attributions` and `checks`, a file of each.
        manifest: of the explained corpus.
        segments: of the explained corpus; the tier `artefact` is drawn.
        alignment: segments of the explained split by an aligner; empty where none has aligned it.
        outputs: `pdf`, `png`, `tsv`.
    """
    files = [Attributions(entry["attributions"]) for entry in explained]
    manifest_rows = read_manifest(manifest)
    known = read_segments(segments).filter(pl.col("tier") == "artefact")
    aligned = read_segments(str(alignment)) if alignment else None
    standings = {
        entry["detector"]: of_controls(read_checks(entry["checks"])) for entry in explained
    }
    names = [
        f"{people().system(entry['detector'])}{MARKS[standings[entry['detector']]]}"
        for entry in explained
    ]
    # As many detectors as a page holds below one spectrogram; the others are in the table.
    most = math.floor((TALLEST - _KEYS - _SPECTROGRAM) / _STRIP)
    explained, files, names = explained[:most], files[:most], names[:most]
    height = _SPECTROGRAM + _STRIP * len(files)
    rows = max(1, math.floor((_PAGE - _KEYS) / height))
    examples = median_clips(files, manifest_rows, _COLUMNS * rows)
    rows = -(-len(examples) // _COLUMNS)
    figure = new_figure(PAGE, rows * height + _KEYS)
    shown = {people().system(name): standing for name, standing in standings.items()}
    if doubts := wrapped_note(shown, figure.get_figwidth()):
        figure.suptitle(doubts, fontsize=7, x=0.01, ha="left")
    grid = figure.add_gridspec(rows + 1, _COLUMNS, height_ratios=[*[height] * rows, _KEY])
    numbers = []
    for i, utt_id in enumerate(examples):
        clip = manifest_rows.row(by_predicate=pl.col("utt_id") == utt_id, named=True)
        explanations = [file[utt_id] for file in files]
        cell = grid[i // _COLUMNS, i % _COLUMNS].subgridspec(
            2, 1, height_ratios=[0.5, _STRIP * len(files)], hspace=0.02
        )
        upper, lower = figure.add_subplot(cell[0]), figure.add_subplot(cell[1])
        samples, rate = audio.read(clip["path"], files[0].settings.sample_rate)
        draw_spectrogram(upper, samples, rate, None)
        for start, end in known.filter(utt_id=utt_id).select("start", "end").iter_rows():
            upper.axvspan(start, end, ymin=0.9, ymax=1.0, color=KNOWN, linewidth=0)
        if aligned is not None:
            draw_tiers(upper, aligned.filter(utt_id=utt_id))
        together = agreement(explanations)
        what = people().attack(clip["attack"] if clip["label"] == "spoof" else clip["label"])
        correlated = (
            "" if together is None else f" (ρ = {round(together, 2) + 0.0:.2f})".replace("-", "−")
        )
        upper.set_title(
            what + correlated,
            loc="left",
            fontsize=8,
        )
        upper.set_ylabel("kHz")
        upper.tick_params(labelbottom=False)
        _strips(lower, explanations, samples.size / rate)
        lower.set_yticks(range(len(files)), names if i % _COLUMNS == 0 else [""] * len(files))
        if i + _COLUMNS >= len(examples):
            lower.set_xlabel("seconds")
        numbers += [
            pl.DataFrame(
                {"time": explanation.times, "spoof_evidence": evidence_curve(explanation)}
            ).select(
                pl.lit(entry["run"]).alias("run"),
                pl.lit(entry["seed"]).alias("seed"),
                pl.lit(utt_id).alias("utt_id"),
                pl.lit(clip["attack"]).alias("attack"),
                pl.lit(standings[entry["detector"]]).alias("controls"),
                pl.all(),
            )
            for entry, explanation in zip(explained, explanations, strict=True)
        ]
    place = figure.add_subplot(grid[rows, :])
    place.set_axis_off()
    bar = figure.colorbar(
        ScalarMappable(Normalize(-1, 1), EVIDENCE),
        cax=place.inset_axes((0.3, 0.0, 0.4, 1.0)),
        orientation="horizontal",
    )
    bar.set_ticks([-1, 0, 1], labels=["bona fide", "evidence (share of row's largest)", "spoof"])
    bar.ax.tick_params(length=0)
    agreed = [note("ρ: detectors' agreement")] if len(files) > 1 else []
    shown_clips = (file[utt_id] for file in files for utt_id in examples)
    marks = [*agreed, note("right: scores"), *completeness_keys(shown_clips)]
    keys = [*tier_keys(known, aligned, examples), *marks]
    legend_below(figure, keys, [str(key.get_label()) for key in keys])
    save(figure, outputs, pl.concat(numbers))


def _strips(axes: Axes, explanations: Sequence[Explanation], seconds: float) -> None:
    """The evidence of each detector as a strip over time, and its score at the right."""
    for row, explanation in enumerate(explanations):
        axes.pcolormesh(
            frame_edges(explanation),
            np.array([row - 0.42, row + 0.42]),
            evidence_curve(explanation)[None, :],
            cmap=EVIDENCE,
            norm=Normalize(-1, 1),
            rasterized=True,
        )
        axes.annotate(
            score_of(explanation),
            (seconds, row),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            annotation_clip=False,
        )
    axes.set_xlim(0, seconds)
    axes.set_ylim(len(explanations) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
