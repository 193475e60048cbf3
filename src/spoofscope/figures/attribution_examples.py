"""Attribution over waveform and spectrogram, one clip per attack."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from scipy.ndimage import uniform_filter1d
from scipy.signal import stft

from spoofscope import audio
from spoofscope.attribution.store import Attributions, Explanation
from spoofscope.attribution.verdicts import MARKS, of_controls, read_checks, wrapped_note
from spoofscope.exhibits import Figure
from spoofscope.figures.style import BONAFIDE, SPOOF, new_figure, save
from spoofscope.tables import read_manifest, read_segments

FIGURE = Figure(
    title="Attribution in example clips",
    shows="Attribution over waveform and spectrogram, for one utterance per attack.",
    caption=(
        "Integrated Gradients over waveform and spectrogram, for one clip per attack and one bona "
        "fide clip: the clip with the median score of the first detector. Orange is evidence for "
        "spoof, blue is evidence for bona fide; dark bars at the top mark segments with known "
        "artefacts. Where an aligner has aligned these clips (section aligners), light bands are "
        "silences, and ticks at the bottom are edges of phones or characters; long ticks are edges "
        "of words. A mark behind a detector's name says that its explanations fail their controls "
        "(†), or that it is undecided whether they pass them (‡)."
    ),
    needs="explanations",
    place=210,
)

_EVIDENCE = LinearSegmentedColormap.from_list("evidence", [BONAFIDE, "#f2f2f2", SPOOF])
_ROWS = 10


def _examples(files: Sequence[Attributions], manifest: pl.DataFrame) -> list[str]:
    """One clip per attack and one bona fide clip, explained for every detector.

    It is the median clip by the first detector's score, so neither the best nor the worst case
    represents an attack.
    """
    common = [
        explanation
        for explanation in files[0]
        if all(explanation.utt_id in file.utt_ids for file in files)
    ]
    chosen = []
    for attack in sorted({explanation.attack for explanation in common}):
        of_group = sorted(
            (explanation for explanation in common if explanation.attack == attack),
            key=lambda explanation: (explanation.score, explanation.utt_id),
        )
        chosen.append(of_group[len(of_group) // 2].utt_id)
    known = set(manifest["utt_id"])
    return [utt_id for utt_id in chosen if utt_id in known][:_ROWS]


def _curve(explanation: Explanation) -> npt.NDArray[np.float64]:
    """Smoothed evidence for spoof per frame, scaled to a largest magnitude of 1."""
    evidence = np.where(explanation.seen, explanation.evidence("spoof"), 0.0)
    smoothed = uniform_filter1d(evidence, explanation.settings.smoothing_frames, mode="nearest")
    peak = float(np.max(np.abs(smoothed)))
    return smoothed / peak if peak > 0 else smoothed


def draw_waveform(
    axes: Axes, samples: npt.NDArray[np.float32], rate: int, explanation: Explanation | None
) -> None:
    """Draw samples (n,) at `rate` Hz, with the evidence of each frame if there is evidence."""
    time = np.arange(samples.size) / rate
    scale = float(np.max(np.abs(samples))) or 1.0
    step = max(1, samples.size // 6000)
    axes.plot(time[::step], samples[::step] / scale, color="#9aa4ae", linewidth=0.4, zorder=1)
    if explanation is not None:
        curve = _curve(explanation)
        for side, colour in ((np.maximum(curve, 0), SPOOF), (np.minimum(curve, 0), BONAFIDE)):
            axes.fill_between(
                explanation.times, 0, side, color=colour, alpha=0.75, linewidth=0, zorder=2
            )
    axes.set_xlim(0, samples.size / rate)
    axes.set_ylim(-1.05, 1.18)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.tick_params(labelbottom=False)


def draw_spectrogram(
    axes: Axes, samples: npt.NDArray[np.float32], rate: int, explanation: Explanation | None
) -> None:
    """Draw the spectrogram of samples (n,) at `rate` Hz, under the evidence if there is evidence.

    For band features the evidence has a frequency axis, for others it is a strip over time.
    """
    frequencies, times, spectrum = stft(
        samples, rate, nperseg=400, noverlap=240, nfft=512, boundary=None, padded=False
    )
    level = 20 * np.log10(np.abs(spectrum) + 1e-6)
    top = float(level.max())
    extent = (0.0, samples.size / rate, 0.0, float(frequencies[-1]) / 1000)
    axes.imshow(
        level,
        origin="lower",
        aspect="auto",
        cmap="gray_r",
        norm=Normalize(top - 75, top),
        extent=(times[0], times[-1], extent[2], extent[3]),
    )
    if explanation is not None:
        _overlay(axes, explanation, extent[3])
    axes.set_xlim(*extent[:2])
    axes.set_ylim(*extent[2:])
    axes.grid(visible=False)


def _overlay(axes: Axes, explanation: Explanation, top: float) -> None:
    """Evidence over a spectrogram that reaches up to `top` kHz."""
    settings = explanation.settings
    hop, first = settings.hop_seconds, settings.first_centre_seconds
    if settings.row_axis == "band":
        # Rows are frequency bands here, so the attribution has a place in the picture.
        values = -explanation.map if settings.target == "bonafide" else explanation.map
        smoothed = uniform_filter1d(
            np.where(explanation.seen, values, 0.0), settings.smoothing_frames, axis=1
        )
        smoothed = uniform_filter1d(smoothed, 5, axis=0)
        peak = float(np.quantile(np.abs(smoothed), 0.998)) or 1.0
        overlay = smoothed / peak
        axes.imshow(
            overlay,
            origin="lower",
            aspect="auto",
            cmap=_EVIDENCE,
            norm=Normalize(-1, 1),
            alpha=np.clip(np.abs(overlay), 0, 1) ** 0.6,
            extent=(first - hop / 2, first + hop * (overlay.shape[1] - 0.5), 0.0, top),
        )
    else:
        curve = _curve(explanation)
        strip = curve[None, :]
        axes.imshow(
            strip,
            aspect="auto",
            cmap=_EVIDENCE,
            norm=Normalize(-1, 1),
            alpha=np.clip(np.abs(strip), 0, 1) * 0.75,
            extent=(first - hop / 2, first + hop * (curve.size - 0.5), 0.0, top),
            interpolation="nearest",
        )


def draw_tiers(axes: Axes, tiers: pl.DataFrame) -> None:
    """Silences as bands, edges of phones or characters and of words as ticks."""
    for start, end in tiers.filter(tier="silence").select("start", "end").iter_rows():
        axes.axvspan(start, end, color="#dfe5ea", linewidth=0, zorder=0)
    for names, height in ((("phone", "character"), 0.06), (("word",), 0.16)):
        of_tier = tiers.filter(pl.col("tier").is_in(names))
        edges = np.unique(of_tier.select("start", "end").to_numpy())
        low = axes.get_ylim()[0]
        top = low + height * (axes.get_ylim()[1] - low)
        axes.vlines(edges, low, top, color="#333333", linewidth=0.5, zorder=3)


def draw(
    explained: Sequence[Mapping[str, Any]],
    manifest: str,
    segments: str,
    alignment: str | Sequence[str],
    outputs: Mapping[str, str],
) -> None:
    """Draw one row per clip and one column per detector: waveform above, spectrogram below.

    Curves are smoothed and each scaled to its own largest magnitude, so colours compare places in
    one clip, not clips or detectors. For detectors on band features the overlay has a frequency
    axis; for the others it is a strip over time.

    Args:
        explained: run, seed, detector (its name), `attributions` and `checks`, a file of each.
        manifest: of the explained corpus.
        segments: of the explained corpus; the tier `artefact` is drawn.
        alignment: segments of the explained split by an aligner; empty where none has aligned it.
        outputs: `pdf`, `png`, `tsv`.
    """
    files = [Attributions(entry["attributions"]) for entry in explained]
    rows = read_manifest(manifest)
    known = read_segments(segments).filter(pl.col("tier") == "artefact")
    aligned = read_segments(str(alignment)) if alignment else None
    examples = _examples(files, rows)
    standings = {
        entry["detector"]: of_controls(read_checks(entry["checks"])) for entry in explained
    }
    figure = new_figure(3.4 * len(files) + 0.8, 1.55 * len(examples) + 0.6)
    if doubts := wrapped_note(standings, figure.get_figwidth()):
        figure.suptitle(doubts, fontsize=7, x=0.01, ha="left")
    grid = figure.add_gridspec(
        2 * len(examples), len(files), height_ratios=[1, 1.25] * len(examples)
    )
    numbers = []
    for i, utt_id in enumerate(examples):
        row = rows.row(by_predicate=pl.col("utt_id") == utt_id, named=True)
        known_segments = known.filter(pl.col("utt_id") == utt_id)
        for j, (file, entry) in enumerate(zip(files, explained, strict=True)):
            explanation = file[utt_id]
            samples, rate = audio.read(row["path"], file.settings.sample_rate)
            upper = figure.add_subplot(grid[2 * i, j])
            lower = figure.add_subplot(grid[2 * i + 1, j])
            draw_waveform(upper, samples, rate, explanation)
            if aligned is not None:
                draw_tiers(upper, aligned.filter(utt_id=utt_id))
            for segment in known_segments.iter_rows(named=True):
                upper.axvspan(
                    segment["start"],
                    segment["end"],
                    ymin=0.94,
                    ymax=1.0,
                    color="#333333",
                    linewidth=0,
                )
            draw_spectrogram(lower, samples, rate, explanation)
            what = "bona fide" if row["label"] == "bonafide" else row["attack"]
            standing = standings[entry["detector"]]
            upper.set_title(
                f"{entry['detector']}{MARKS[standing]}: {what}, score {explanation.score:+.2f}"
                f"{'' if explanation.converged else ' (not converged)'}",
                loc="left",
                fontsize=7.5,
            )
            if j == 0:
                lower.set_ylabel("kHz")
            else:
                lower.tick_params(labelleft=False)
            if i == len(examples) - 1:
                lower.set_xlabel("seconds")
            curve = _curve(explanation)
            numbers.append(
                pl.DataFrame({"time": explanation.times, "spoof_evidence": curve}).select(
                    pl.lit(entry["run"]).alias("run"),
                    pl.lit(entry["seed"]).alias("seed"),
                    pl.lit(utt_id).alias("utt_id"),
                    pl.lit(row["attack"]).alias("attack"),
                    pl.lit(standing).alias("controls"),
                    pl.all(),
                )
            )
    save(figure, outputs, pl.concat(numbers))
