"""Pitch, and how period and loudness change from one cycle of the voice to the next. NumPy only."""

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from spoofscope.artefacts.spectra import FLOOR, Floats, frames_around
from spoofscope.audio import Samples

PITCH_SECONDS = 0.040
"""Length of the frames that pitch is measured in."""

# Boersma (1993): a frame is voiced when its normalised autocorrelation peaks above 0.45; 0.01 per
# octave in favour of high pitches decides between a period and its multiples.
VOICED = 0.45
"""Normalised autocorrelation above which a frame is voiced."""

_PITCH_HZ = (60.0, 400.0)
_OCTAVE_COST = 0.01
# Neighbouring cycles are looked for within these shares of the period, and are alike enough above
# this correlation; the amplitude of a pulse is that of so many periods to each side.
_SHORTER, _LONGER = 0.85, 1.18
_ALIKE = 0.3
_PULSE = 0.2
_NEIGHBOURS = 5
PeaksAt: TypeAlias = tuple[Floats, Floats]


def pitch(frames: Floats, sample_rate: int) -> tuple[Floats, Floats]:
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
    defined = energy[:, 0] > FLOOR * size
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


class Cycles(NamedTuple):
    """How much a voice changes from one cycle to the next, as shares; None without cycles."""

    jitter: float | None
    shimmer: float | None


def cycles(
    samples: Samples,
    sample_rate: int,
    centres: npt.NDArray[np.int64],
    f0: Floats,
    voiced: npt.NDArray[np.bool_],
) -> Cycles:
    """Change of period (jitter) and of amplitude (shimmer) between neighbouring cycles.

    As Praat's local jitter and shimmer: the mean change over the mean period, or amplitude. Around
    the strongest sample of each frame one period is compared with what comes before and after it;
    the best normalised cross-correlation, refined by a parabola, gives the two periods. Amplitudes
    are the RMS of a Hann window of 0.4 periods around the three pulses. As in Praat, neighbours
    that differ by more than 1.3 (period) or 1.6 (amplitude) times count as an error of tracking,
    and are left out, as are cycles whose correlation is 0.3 or less.

    Praat follows every pulse of a voiced stretch; here there is one per frame. Tests compare both.

    Args:
        samples: (n,).
        sample_rate: Hz.
        centres: (n,) sample positions of neighbouring frames.
        f0: (n,) pitch there, in Hz, see :func:`pitch`.
        voiced: (n,) whether a frame is voiced. Cycles are compared where the frames before and
            after are, too.
    """
    within = np.flatnonzero(voiced[1:-1] & voiced[:-2] & voiced[2:]) + 1
    if not within.size:
        return Cycles(None, None)
    # Rough cycles make octave errors likely: the median over neighbours has few, and without it
    # the roughest cycles would be missing.
    known = np.pad(np.where(voiced, f0, np.nan), _NEIGHBOURS, constant_values=np.nan)
    near_by = np.lib.stride_tricks.sliding_window_view(known, 2 * _NEIGHBOURS + 1)[within]
    period = sample_rate / np.nanmedian(near_by, axis=1)
    centres = centres[within]
    longest = float(period.max())
    near = int(np.ceil(longest / 2))
    around = np.arange(-near, near)
    frames = np.abs(frames_around(samples, centres, 2 * near))
    frames[np.abs(around) > period[:, None] / 2] = -1.0
    pulses = centres + around[np.argmax(frames, axis=1)]
    half = int(np.ceil(longest * (0.5 + _LONGER))) + 2
    signal = frames_around(samples, pulses, 2 * half)
    inside = np.abs(np.arange(-half, half)) <= period[:, None] / 2
    size = 1 << (2 * half - 1).bit_length()

    def shifted_products(a: Floats, b: Floats) -> Floats:
        """Of a, shifted by every lag, with b."""
        spectrum = np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size))
        products: Floats = np.fft.irfft(spectrum, size)
        return products

    # The zeros around a clip have no energy, and rounding can make it negative.
    energy = np.maximum(shifted_products(signal**2, inside.astype(np.float64)), FLOOR)
    correlation = shifted_products(signal, signal * inside) / np.sqrt(energy * energy[:, :1])
    spans = []
    for sign in (-1, 1):
        lags = np.arange(int(_SHORTER * period.min()), int(np.ceil(_LONGER * longest)) + 1)
        span, strength = _best_lag(correlation[:, sign * lags], lags, period)
        spans.append(np.where(strength > _ALIKE, span, np.nan))
    # Amplitudes of the pulse before, of this one, and of the one after.
    places = np.stack([pulses - spans[0], pulses.astype(np.float64), pulses + spans[1]], axis=1)
    known = np.isfinite(places).all(axis=1)
    if not known.any():
        return Cycles(None, None)
    before, after = (span[known] for span in spans)
    amplitudes = _amplitudes(samples, np.rint(places[known]).astype(np.int64), period[known])
    return Cycles(
        _mean_change(np.stack([before, after], axis=1), 1.3), _mean_change(amplitudes, 1.6)
    )


def _best_lag(correlation: Floats, lags: npt.NDArray[np.int64], period: Floats) -> PeaksAt:
    """The best lag (v,) near a period, refined by a parabola, and the correlation there; -1 where
    there is no peak.
    """
    before, at, after = correlation[:, :-2], correlation[:, 1:-1], correlation[:, 2:]
    ratio = lags[1:-1] / period[:, None]
    peaks = (at >= before) & (at > after) & (ratio >= _SHORTER) & (ratio <= _LONGER)
    best = np.argmax(np.where(peaks, at, -1.0), axis=1)
    rows = np.arange(period.size)
    low, middle, high = before[rows, best], at[rows, best], after[rows, best]
    curvature = np.where(peaks[rows, best], low - 2 * middle + high, -1.0)
    offset = (low - high) / (2 * curvature)
    return lags[best + 1] + offset, np.where(peaks[rows, best], middle, -1.0)


def _amplitudes(samples: Samples, places: npt.NDArray[np.int64], period: Floats) -> Floats:
    """RMS (v, k) in Hann windows of 0.4 periods around positions (v, k)."""
    reach = int(np.ceil(_PULSE * period.max())) + 1
    offsets = np.arange(-reach, reach)
    position = np.clip(offsets / (_PULSE * period[:, None]), -1.0, 1.0)
    window = 0.5 + 0.5 * np.cos(np.pi * position)
    frames = frames_around(samples, places.ravel(), 2 * reach).reshape(*places.shape, 2 * reach)
    rms: Floats = np.sqrt(
        np.sum(frames**2 * window[:, None, :], axis=2) / window.sum(axis=1, keepdims=True)
    )
    return rms


def _mean_change(values: Floats, most: float) -> float | None:
    """Mean change (share) between neighbours in rows (v, k), without changes of a factor `most`."""
    first, second = values[:, :-1].ravel(), values[:, 1:].ravel()
    ratio = np.maximum(first, second) / np.maximum(np.minimum(first, second), FLOOR)
    kept = ratio <= most
    if not kept.any():
        return None
    change = np.abs(first - second)[kept].mean()
    return float(change / ((first + second)[kept].mean() / 2))
