"""Signal measures of whole utterances and of frames. NumPy only.

An utterance's measures are the trivial cues of `corpora.cues` and some that say more about speech
and about the traces that synthesis leaves: pitch, harmonicity, spectral shape, clicks.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope import audio
from spoofscope.audio import Samples
from spoofscope.corpora import cues
from spoofscope.errors import AudioError
from spoofscope.shards.journal import Done, work_through
from spoofscope.tables import read_table, write_table

Floats = npt.NDArray[np.float64]

SPEECH_MEASURES = (
    "f0_median",
    "f0_variation",
    "jitter",
    "voiced_share",
    "harmonicity",
    "snr",
    "flatness",
    "centroid",
    "high_band",
    "spikiness",
    "click_rate",
    "largest_step",
)
MEASURES = (*cues.CUES, *SPEECH_MEASURES)
"""Names of the utterance measures, in the order of :func:`measure`."""

FRAME_MEASURES = ("energy", "zero_crossings", "centroid", "flatness", "high_band", "periodicity")
"""Names of the frame measures, in the order of :func:`frame_measures`."""

_HOP_SECONDS = 0.010
_FRAME_SECONDS = 0.032
_PITCH_SECONDS = 0.040
_PITCH_HZ = (60.0, 400.0)
# Boersma (1993): a frame is voiced when its normalised autocorrelation peaks above 0.45; 0.01 per
# octave in favour of high pitches decides between a period and its multiples.
_VOICED = 0.45
_OCTAVE_COST = 0.01
_HIGH_BAND_HZ = 4000.0
_SPIKE_HZ = 500.0
_CLICK = 8.0
# Power of -120 dB re full scale: what is below counts as nothing.
_FLOOR = 1e-12


def _frames(samples: Samples, centres: npt.NDArray[np.int64], size: int) -> Floats:
    """Frames (n, size) around sample positions; beyond the clip's ends there are zeros."""
    half = size // 2
    first = int(min(centres.min() - half, 0))
    last = int(max(centres.max() - half + size, samples.size))
    padded = np.pad(samples.astype(np.float64), (-first, last - samples.size))
    return padded[(centres - half - first)[:, None] + np.arange(size)]


def _decibels(power: npt.ArrayLike) -> Floats:
    return 10 * np.log10(np.maximum(np.asarray(power, dtype=np.float64), _FLOOR))


class _Spectra:
    """Power spectra (n, bins) of Hann-windowed frames, and their shapes."""

    def __init__(self, frames: Floats, sample_rate: int) -> None:
        size = frames.shape[1]
        self.frequencies: Floats = np.arange(size // 2 + 1) * (sample_rate / size)
        window = np.hanning(size)
        spectrum: Floats = np.square(np.abs(np.fft.rfft(frames * window, axis=1)))
        # Scaled such that the sum over bins is the mean square of a stationary signal.
        spectrum[:, 1:-1] *= 2
        self.power: Floats = spectrum / (size * np.sum(window**2))

    def energy(self) -> Floats:
        """Level of each frame in dB re full scale."""
        return _decibels(self.power.sum(axis=1))

    def centroid(self) -> Floats:
        """Mean frequency in Hz, weighted by power."""
        power = self.power + _FLOOR
        centroids: Floats = power @ self.frequencies / power.sum(axis=1)
        return centroids

    def flatness(self) -> Floats:
        """Geometric over arithmetic mean of the power, in dB: 0 = white, below = peaky."""
        power = self.power[:, 1:] + _FLOOR
        levels: Floats = 10 * (np.log10(power).mean(axis=1) - np.log10(power.mean(axis=1)))
        return levels

    def high_band(self) -> Floats:
        """Power above 4 kHz over all power, in dB; -120 where the sample rate leaves none."""
        high = self.power[:, self.frequencies > _HIGH_BAND_HZ].sum(axis=1)
        return _decibels(high / np.maximum(self.power.sum(axis=1), _FLOOR))


def _pitch(frames: Floats, sample_rate: int) -> tuple[Floats, Floats]:
    """Fundamental frequency (Hz) and normalised autocorrelation there, (n,) each.

    Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise
    ratio of a sampled sound" (1993): the autocorrelation of the windowed frame over that of the
    window, its best peak among the lags of 60 to 400 Hz, refined by a parabola.
    """
    size = frames.shape[1]
    window = np.hanning(size)
    fft_size = 1 << (2 * size - 1).bit_length()

    def autocorrelation(values: Floats) -> Floats:
        spectrum = np.abs(np.fft.rfft(values, fft_size, axis=-1)) ** 2
        result: Floats = np.fft.irfft(spectrum, fft_size, axis=-1)[..., :size]
        return result

    centred = (frames - frames.mean(axis=1, keepdims=True)) * window
    correlations = autocorrelation(centred)
    shape = autocorrelation(window)
    shortest = int(sample_rate / _PITCH_HZ[1])
    longest = min(int(sample_rate / _PITCH_HZ[0]), size * 2 // 3)
    lags = np.arange(shortest - 1, longest + 2)
    energy = correlations[:, :1]
    defined = energy[:, 0] > _FLOOR * size
    normalised = np.zeros((frames.shape[0], lags.size))
    normalised[defined] = (
        correlations[defined][:, lags] / energy[defined] / (shape[lags] / shape[0])
    )
    before, at, after = normalised[:, :-2], normalised[:, 1:-1], normalised[:, 2:]
    peaks = (at >= before) & (at > after)
    # A parabola through each peak: without it, the multiple of a short period that happens to be
    # nearer to a whole number of samples would win.
    curvature = np.where(peaks, before - 2 * at + after, -1.0)
    offsets = np.where(peaks, (before - after) / (2 * curvature), 0.0)
    heights = np.where(peaks, at - (before - after) * offsets / 4, -np.inf)
    cost = _OCTAVE_COST * np.log2(lags[1:-1] * _PITCH_HZ[0] / sample_rate)
    best = np.argmax(heights - cost, axis=1)
    rows = np.arange(frames.shape[0])
    strength = np.clip(heights[rows, best], 0.0, 1.0 - 1e-6)
    return sample_rate / (lags[best + 1] + offsets[rows, best]), strength


def _spikiness(power: Floats, frequencies: Floats) -> float:
    """How far the long-term spectrum rises above its running median of 500 Hz at most, in dB."""
    level = _decibels(power)[1:]
    width = 2 * int(_SPIKE_HZ / 2 / (frequencies[1] - frequencies[0])) + 1
    padded = np.pad(level, width // 2, mode="reflect")
    medians = np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    return float(np.max(level - medians))


def _clicks_per_second(samples: Samples, sample_rate: int) -> float:
    """Second differences beyond 8 times their RMS in the 20 ms around, per second."""
    differences = np.diff(samples.astype(np.float64), 2)
    size = round(0.020 * sample_rate)
    total = np.pad(np.cumsum(differences**2), (1, 0))
    positions = np.arange(differences.size)
    low = np.maximum(positions - size // 2, 0)
    high = np.minimum(positions + size // 2, differences.size)
    local = np.maximum((total[high] - total[low]) / np.maximum(high - low, 1), _FLOOR)
    outliers = np.abs(differences) > _CLICK * np.sqrt(local)
    # One click makes up to three outliers in a row.
    starts = outliers & ~np.pad(outliers, (3, 0))[:-3] & ~np.pad(outliers, (1, 0))[:-1]
    return float(starts.sum() / (samples.size / sample_rate))


def measure(samples: Samples, sample_rate: int) -> dict[str, float | None]:
    """All utterance measures of one clip; None where a measure is not defined.

    The trivial cues of `corpora.cues.measure`, and over frames that are not silent:

    * `f0_median` (Hz), `f0_variation` (half the distance of the 16th and 84th percentile, in
      semitones), `jitter` (median relative change of the pitch between voiced frames 10 ms apart, a
      proxy for cycle-to-cycle jitter), `voiced_share`, `harmonicity` (median harmonics-to-noise
      ratio of voiced frames, dB): None without voiced frames, but for the share. Medians, because
      every pitch tracker makes octave errors
    * `snr` (dB): 95th over 5th percentile of the frame powers of the whole clip
    * `flatness` (dB), `centroid` (Hz), `high_band` (power above 4 kHz, dB): means over frames
    * `spikiness` (dB): how far the long-term spectrum rises above its own running median
    * `click_rate` (per second): outliers of the second difference
    * `largest_step` (dB): largest change of level between adjacent frames

    Args:
        samples: (n,) float32 in about [-1, 1].
        sample_rate: Hz.

    Raises:
        AudioError: the clip is shorter than 40 ms.
    """
    if samples.size < _PITCH_SECONDS * sample_rate:
        raise AudioError(f"a clip of {samples.size} samples is too short to be measured (40 ms)")
    hop = round(_HOP_SECONDS * sample_rate)
    centres = np.arange(hop // 2, samples.size, hop, dtype=np.int64)
    spectra = _Spectra(_frames(samples, centres, round(_FRAME_SECONDS * sample_rate)), sample_rate)
    loud = ~cues.silent_frames(samples, sample_rate)[: centres.size]
    # A clip without signal has no loud frame; its spectrum is measured all the same.
    speech = loud if loud.any() else np.ones(centres.size, dtype=bool)
    energy = spectra.energy()
    f0, strength = _pitch(
        _frames(samples, centres, round(_PITCH_SECONDS * sample_rate)), sample_rate
    )
    voiced = (strength > _VOICED) & loud
    both = voiced[1:] & voiced[:-1]
    change = np.abs(np.diff(f0)) / f0[:-1]
    semitones = 12 * np.log2(f0[voiced])
    voice: dict[str, float | None] = {
        "f0_median": float(np.median(f0[voiced])) if voiced.any() else None,
        "f0_variation": float(np.ptp(np.percentile(semitones, [16, 84])) / 2)
        if voiced.any()
        else None,
        "jitter": float(np.median(change[both])) if both.any() else None,
        "voiced_share": float(voiced[speech].mean()),
        "harmonicity": float(np.median(_decibels(strength[voiced] / (1 - strength[voiced]))))
        if voiced.any()
        else None,
        "snr": float(np.percentile(energy, 95) - np.percentile(energy, 5)),
        "flatness": float(spectra.flatness()[speech].mean()),
        "centroid": float(spectra.centroid()[speech].mean()),
        "high_band": float(spectra.high_band()[speech].mean()),
        "spikiness": _spikiness(spectra.power[speech].mean(axis=0), spectra.frequencies),
        "click_rate": _clicks_per_second(samples, sample_rate),
        "largest_step": float(np.max(np.abs(np.diff(energy)))),
    }
    return {**cues.measure(samples, sample_rate), **voice}


def frame_measures(samples: Samples, sample_rate: int, times: Floats) -> dict[str, Floats]:
    """Measures (n,) on a given grid of frames, each over 32 ms around the frame's centre.

    * `energy` (dB re full scale), `zero_crossings` (share of neighbouring samples of unlike sign)
    * `centroid` (Hz), `flatness` (dB), `high_band` (dB): as in :func:`measure`
    * `periodicity`: normalised autocorrelation at the best pitch period, in [0, 1]

    Args:
        samples: (n_samples,) float32.
        sample_rate: Hz.
        times: (n,) centres in seconds, from the start of the clip.
    """
    centres = np.rint(times * sample_rate).astype(np.int64)
    frames = _frames(samples, centres, round(_FRAME_SECONDS * sample_rate))
    spectra = _Spectra(frames, sample_rate)
    crossings = np.mean(np.signbit(frames[:, 1:]) != np.signbit(frames[:, :-1]), axis=1)
    _, strength = _pitch(
        _frames(samples, centres, round(_PITCH_SECONDS * sample_rate)), sample_rate
    )
    return {
        "energy": spectra.energy(),
        "zero_crossings": crossings,
        "centroid": spectra.centroid(),
        "flatness": spectra.flatness(),
        "high_band": spectra.high_band(),
        "periodicity": strength,
    }


def measure_utterances(rows: pl.DataFrame, workers: int, done: Done | None = None) -> pl.DataFrame:
    """Measure the clips of manifest rows: utt_id and `MEASURES`, null where not defined.

    Args:
        rows: utt_id and path.
        workers: threads.
        done: the measures of clips that are finished; the others are added.

    Raises:
        AudioError: a file cannot be read or is too short; it is named.
    """

    def one(path: str) -> dict[str, float | None]:
        samples, sample_rate = audio.read(path)
        try:
            return measure(samples, sample_rate)
        except AudioError as error:
            raise AudioError(f"{path}: {error}") from error

    done = {} if done is None else done
    work_through(rows.select("utt_id", "path").iter_rows(), one, done, workers)
    schema = {"utt_id": pl.String(), **{name: pl.Float64() for name in MEASURES}}
    measured = [{"utt_id": utt_id, **done[utt_id]} for utt_id in rows["utt_id"]]
    return pl.DataFrame(measured, schema=schema)


def write_measures(path: str | Path, table: pl.DataFrame) -> None:
    """Write the table of :func:`measure_utterances`; null is an empty field."""
    write_table(path, table)


def read_measures(path: str | Path) -> pl.DataFrame:
    """Read what :func:`write_measures` wrote.

    Raises:
        TableError: as `tables.read_table`; a measure is neither empty nor a finite number.
    """
    return read_table(path, {"utt_id": pl.String()}, rest=pl.Float64())
