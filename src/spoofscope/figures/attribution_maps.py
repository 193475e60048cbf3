"""Attribution of a few clips by layer and time, or by frequency and time."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from spoofscope.attribution.store import Attributions, Explanation
from spoofscope.attribution.verdicts import MARKS, of_controls, read_checks, wrapped_note
from spoofscope.exhibits import Figure
from spoofscope.figures.clips import (
    EVIDENCE,
    KNOWN,
    completeness_keys,
    draw_tiers,
    frame_edges,
    median_clips,
    score_of,
    smoothed_map,
    tier_keys,
)
from spoofscope.figures.fitting import shortened
from spoofscope.figures.style import PAGE, legend_below, new_figure, people, save
from spoofscope.tables import read_manifest, read_segments

FIGURE = Figure(
    title="Attribution by layer and time",
    shows="Attribution by layer (or band) and time, of three clips and every detector.",
    caption=(
        "A row per detector, a column per clip: a bona fide clip, and the clips of the two attacks "
        "that are surest and least sure to be spoofs for the first detector, each the clip with "
        "the median score of its attack. Orange is evidence for spoof, blue for bona fide, "
        "relative to the baseline, and smoothed over time. The maps of a detector have one colour "
        "range, symmetric about zero, up to the number above its colour bar, in units of the score "
        "per frame and row. Rows are the hidden states of a self-supervised model (0 is the input "
        "of the first layer), bands of frequency, or cepstra. Dark bars above mark segments with "
        "known artefacts; light bars at the bottom are silences, ticks are edges of phones and "
        "words, where an aligner knows them. * behind a score marks an explanation that is not "
        "complete. A mark behind a detector's name says that its explanations fail their controls "
        "(†), or that it is undecided whether they pass (‡)."
    ),
    needs="explanations",
    place=212,
)

_MOST = 7
_AXES = {"layer": "hidden state", "cepstrum": "cepstrum", "band": "kHz", "all": ""}


def draw(
    explained: Sequence[Mapping[str, Any]],
    manifest: str,
    segments: str,
    alignment: str | Sequence[str],
    outputs: Mapping[str, str],
) -> None:
    """Draw the maps of up to three clips for each of the first seven detectors.

    Arguments as in `attribution_examples.draw`.
    """
    files = [Attributions(entry["attributions"]) for entry in explained]
    rows = read_manifest(manifest)
    known = read_segments(segments).filter(pl.col("tier") == "artefact")
    aligned = read_segments(str(alignment)) if alignment else None
    clips = _three(files, rows)
    standings = {
        entry["detector"]: of_controls(read_checks(entry["checks"])) for entry in explained[:_MOST]
    }
    figure = new_figure(PAGE, 1.15 * len(standings) + 0.85)
    shown = {people().system(name): standing for name, standing in standings.items()}
    if doubts := wrapped_note(shown, figure.get_figwidth()):
        figure.suptitle(doubts, fontsize=7, x=0.01, ha="left")
    panels = figure.subplots(len(standings), len(clips), squeeze=False)
    numbers = []
    for line, (file, entry) in enumerate(zip(files, explained[:_MOST], strict=False)):
        maps = [smoothed_map(file[utt_id]) for utt_id in clips]
        largest = max(float(np.abs(values).max()) for values in maps) or 1.0
        name = entry["detector"]
        for column, (utt_id, values) in enumerate(zip(clips, maps, strict=True)):
            axes = panels[line, column]
            image = _map(axes, file[utt_id], values, largest)
            for start, end in known.filter(utt_id=utt_id).select("start", "end").iter_rows():
                axes.axvspan(
                    start, end, ymin=1.0, ymax=1.06, color=KNOWN, linewidth=0, clip_on=False
                )
            if aligned is not None:
                draw_tiers(axes, aligned.filter(utt_id=utt_id))
            clip = rows.row(by_predicate=pl.col("utt_id") == utt_id, named=True)
            what = people().attack(clip["attack"] if clip["label"] == "spoof" else clip["label"])
            axes.set_title(
                f"{what}, score {score_of(file[utt_id])}",
                loc="left",
                fontsize=7.5,
            )
            if column == 0:
                axes.set_ylabel(
                    f"{shortened(people().system(name), 18)}{MARKS[standings[name]]}\n"
                    f"{_AXES[file.settings.row_axis]}"
                )
            else:
                axes.tick_params(labelleft=False)
            if line == len(standings) - 1:
                axes.set_xlabel("seconds")
            n_rows, n_frames = values.shape
            numbers.append(
                pl.DataFrame(
                    {
                        "row": np.repeat(np.arange(n_rows), n_frames),
                        "time": np.tile(file[utt_id].times, n_rows),
                        "spoof_evidence": values.ravel(),
                    }
                ).select(
                    pl.lit(entry["run"]).alias("run"),
                    pl.lit(entry["seed"]).alias("seed"),
                    pl.lit(utt_id).alias("utt_id"),
                    pl.lit(clip["attack"]).alias("attack"),
                    pl.lit(standings[name]).alias("controls"),
                    pl.all(),
                )
            )
        bar = figure.colorbar(image, ax=panels[line, :], aspect=12, pad=0.01)
        bar.set_ticks([-largest, 0, largest], labels=["bona fide", "0", "spoof"])
        bar.ax.tick_params(labelsize=7, length=0)
        bar.ax.set_title(f"±{largest:.1g}", fontsize=7)
    shown_maps = (file[utt_id] for file in files[:_MOST] for utt_id in clips)
    keys = [*tier_keys(known, aligned, clips), *completeness_keys(shown_maps)]
    if keys:
        legend_below(figure, keys, [str(key.get_label()) for key in keys])
    save(figure, outputs, pl.concat(numbers))


def _three(files: Sequence[Attributions], rows: pl.DataFrame) -> list[str]:
    """A bona fide clip, and the median clips of the attacks of the lowest and highest score."""
    medians = median_clips(files, rows, most=rows.height)
    scores = {utt_id: files[0][utt_id].score for utt_id in medians}
    genuine = [utt_id for utt_id in medians if files[0][utt_id].label == "bonafide"]
    spoofs = sorted(set(medians) - set(genuine), key=lambda utt_id: (scores[utt_id], utt_id))
    return [*genuine, *dict.fromkeys([*spoofs[:1], *spoofs[-1:]])]


def _map(axes: Axes, explanation: Explanation, values: Any, largest: float) -> Any:
    settings = explanation.settings
    edges = np.arange(settings.n_rows + 1.0) - 0.5
    if settings.band_edges:
        edges = np.array([edge / 1000 for edge in settings.band_edges])
    image = axes.pcolormesh(
        frame_edges(explanation),
        edges,
        values,
        cmap=EVIDENCE,
        norm=Normalize(-largest, largest),
        rasterized=True,
    )
    if settings.row_axis == "all":
        axes.set_yticks([])
    axes.set_xlim(0, explanation.times[-1] + settings.hop_seconds / 2)
    axes.grid(visible=False)
    return image
