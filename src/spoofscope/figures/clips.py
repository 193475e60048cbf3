"""Drawings of one clip: its waveform, its spectrogram, and the evidence upon them."""

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from scipy.ndimage import uniform_filter1d
from scipy.signal import stft

from spoofscope.attribution.groups import is_complete
from spoofscope.attribution.store import Attributions, Explanation
from spoofscope.figures.style import BONAFIDE, SPOOF, note

EVIDENCE = LinearSegmentedColormap.from_list("evidence", [BONAFIDE, "#f2f2f2", SPOOF])
"""Colours of evidence from -1 (bona fide) to 1 (spoof)."""

SILENCE = "#9fd3c7"
EDGE = "#00766a"
"""Colours of silences, and of edges of phones and words."""

KNOWN = "#222222"
"""Colour of segments with known artefacts."""

_STAR = "*"


def median_clips(files: Sequence[Attributions], known: pl.DataFrame, most: int) -> list[str]:
    """One bona fide clip and one clip per attack, explained for every detector.

    It is the median clip by the first detector's score, so neither the best nor the worst case
    represents an attack.

    Args:
        files: explanations, of a detector each.
        known: manifest rows; other clips are left out.
        most: clips at most; attacks are left out from the end of the alphabet.
    """
    ids = set(known["utt_id"]).intersection(*(file.utt_ids for file in files))
    groups: dict[tuple[bool, str], list[Explanation]] = {}
    for explanation in files[0]:
        if explanation.utt_id in ids:
            of_group = (explanation.label != "bonafide", explanation.attack)
            groups.setdefault(of_group, []).append(explanation)
    chosen = []
    for _, clips in sorted(groups.items()):
        clips.sort(key=lambda explanation: (explanation.score, explanation.utt_id))
        chosen.append(clips[len(clips) // 2].utt_id)
    return chosen[:most]


def evidence_curve(explanation: Explanation) -> npt.NDArray[np.float64]:
    """Smoothed evidence for spoof per frame, (frames,), scaled to a largest magnitude of 1."""
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
        curve = evidence_curve(explanation)
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


def label_from(start: float, upper: Axes, lower: Axes) -> None:
    """Write the seconds of the recording below drawings of a part that begins at `start`."""
    if not start:
        return
    first, last = lower.get_xlim()
    ticks = np.asarray(MaxNLocator(nbins=9).tick_values(first + start, last + start))
    ticks = ticks[(ticks >= first + start) & (ticks <= last + start)]
    upper.set_xticks(ticks - start)
    lower.set_xticks(ticks - start, [f"{tick:g}" for tick in ticks])


def smoothed_map(explanation: Explanation) -> npt.NDArray[np.float64]:
    """Evidence for spoof per row and frame, (rows, frames), smoothed over time."""
    settings = explanation.settings
    values = -explanation.map if settings.target == "bonafide" else explanation.map
    seen = np.where(explanation.seen, values, 0.0)
    smoothed: npt.NDArray[np.float64] = uniform_filter1d(seen, settings.smoothing_frames, axis=1)
    return smoothed


def frame_edges(explanation: Explanation) -> npt.NDArray[np.float64]:
    """Where frames begin and end, (frames + 1,), in seconds."""
    hop, n_frames = explanation.settings.hop_seconds, explanation.map.shape[1]
    first = explanation.settings.first_centre_seconds - hop / 2
    edges: npt.NDArray[np.float64] = first + hop * np.arange(n_frames + 1)
    return edges


def _overlay(axes: Axes, explanation: Explanation, top: float) -> None:
    """Evidence over a spectrogram that reaches up to `top` kHz."""
    bands = explanation.settings.band_edges
    if bands:
        # Rows are frequency bands here, so the attribution has a place in the picture.
        smoothed = uniform_filter1d(smoothed_map(explanation), 5, axis=0)
        values = smoothed / (float(np.quantile(np.abs(smoothed), 0.998)) or 1.0)
        heights, opacity = np.array(bands) / 1000, np.clip(np.abs(values), 0, 1) ** 0.6
    else:
        values = evidence_curve(explanation)[None, :]
        heights, opacity = np.array([0.0, top]), 0.75 * np.abs(values)
    colours = np.asarray(EVIDENCE(Normalize(-1, 1)(values)))
    colours[..., 3] = opacity
    axes.pcolormesh(frame_edges(explanation), heights, colours, rasterized=True)


def draw_tiers(axes: Axes, tiers: pl.DataFrame) -> None:
    """Silences as bars at the bottom; edges of phones or characters and of words as ticks."""
    for start, end in tiers.filter(tier="silence").select("start", "end").iter_rows():
        axes.axvspan(start, end, ymax=0.06, color=SILENCE, linewidth=0, zorder=2)
    for names, height in ((("phone", "character"), 0.1), (("word",), 0.22)):
        of_tier = tiers.filter(pl.col("tier").is_in(names))
        edges = np.unique(of_tier.select("start", "end").to_numpy())
        low = axes.get_ylim()[0]
        top = low + height * (axes.get_ylim()[1] - low)
        axes.vlines(edges, low, top, color=EDGE, linewidth=0.5, zorder=3)


def score_of(explanation: Explanation) -> str:
    """The score of a clip, with a star where its explanation is not complete."""
    # No score is -0.0.
    score = f"{round(explanation.score, 1) + 0.0:+.1f}".replace("-", "−")
    return score if is_complete(explanation) else f"{score}{_STAR}"


def completeness_keys(explanations: Iterable[Explanation]) -> list[Line2D]:
    """What a key says of the star that :func:`score_of` puts behind scores; nothing without one."""
    if all(map(is_complete, explanations)):
        return []
    return [note(f"{_STAR}: the explanation is not complete")]


def tier_keys(
    known: pl.DataFrame, tiers: pl.DataFrame | None, utt_ids: Collection[str]
) -> list[Patch | Line2D]:
    """What a key says of the segments that a figure of these clips has.

    Args:
        known: segments with known artefacts. tiers: of `draw_tiers`; None without an alignment.
    """
    keys: list[Patch | Line2D] = []
    of_clips = pl.col("utt_id").is_in(list(utt_ids))
    if known.filter(of_clips).height:
        keys.append(Patch(facecolor=KNOWN, label="known artefact"))
    names = set() if tiers is None else set(tiers.filter(of_clips)["tier"])
    if "silence" in names:
        keys.append(Patch(facecolor=SILENCE, label="silence"))
    if names & {"phone", "character", "word"}:
        edge = "edge of a phone or word"
        keys.append(Line2D([], [], linestyle="none", marker="|", color=EDGE, label=edge))
    return keys
