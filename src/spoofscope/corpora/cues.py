"""Trivial cues: properties of a clip that say nothing about speech but may separate the classes.

A corpus in which one of them does so lets a detector score well without hearing a deepfake; see
Müller et al., "Speech is Silver, Silence is Golden: What do ASVspoof-trained Models Really Learn?",
ASVspoof workshop 2021.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from spoofscope.audio import FULL_SCALE

CUES = (
    "duration",
    "sample_rate",
    "leading_silence",
    "trailing_silence",
    "silence_ratio",
    "level",
    "peak",
    "dc",
    "bandwidth_95",
    "bandwidth_99",
    "cutoff",
    "clipping",
    "zeros",
)
"""Names of the cues, in the order of :func:`measure`."""

WORDS: dict[str, tuple[str, float, str]] = {
    "duration": ("duration", 1, "s"),
    "sample_rate": ("sample rate", 1, "Hz"),
    "leading_silence": ("leading silence", 1, "s"),
    "trailing_silence": ("trailing silence", 1, "s"),
    "silence_ratio": ("share of silent frames", 100, "%"),
    "level": ("level", 1, "dB"),
    "peak": ("peak", 1, "dB"),
    "dc": ("DC offset", 100, "% of full scale"),
    "bandwidth_95": ("bandwidth of 95 % of the power", 1, "Hz"),
    "bandwidth_99": ("bandwidth of 99 % of the power", 1, "Hz"),
    "cutoff": ("cut-off frequency", 1, "Hz"),
    "clipping": ("share of samples at full scale", 100, "%"),
    "zeros": ("share of samples that are zero", 100, "%"),
}
"""Of each cue its name in a sentence, and factor and unit of its numbers there."""

FRAME_SECONDS = 0.010
"""Length of the frames of which each is silent or not."""

SILENCE_DB = 40.0
"""So far below the loud frames of a clip the others are silent."""

_BANDS = ("bandwidth_95", "bandwidth_99", "cutoff")
_CUTOFF_DB = -60.0
_FFT_SECONDS = 0.032
_FLOOR = 1e-6
_Precision = Literal["float32", "float64"]
_FRAMES_AT_ONCE = 256
# They fit into the processor's cache in double precision.
_SAMPLES_AT_ONCE = 1 << 16
# With clips out of order of fewer speakers than that, variances are of a rare event.
_SPEAKERS_TO_TELL = 5
# Rounding errors of single precision: of a bin at 60 dB below the strongest up to 0.00004 of its
# power, of a share of the whole power up to 0.0000002 (tones, chirps, pulses and noise). These are
# many times as much.
_UNSURE_POWER = 0.002
_UNSURE_SHARE = 1e-6


def frame_size(sample_rate: int) -> int:
    """Samples of a frame of 10 ms."""
    return max(1, round(FRAME_SECONDS * sample_rate))


def silent_frames(
    samples: npt.NDArray[np.float32], sample_rate: int, below_db: float = SILENCE_DB
) -> npt.NDArray[np.bool_]:
    """Which 10 ms frames are silent: more than 40 dB below the clip's loud frames.

    Args:
        samples: (n,) in about [-1, 1]; a last partial frame counts as a frame.
        sample_rate: Hz.
        below_db: another distance than 40 dB.

    Returns:
        (frames,) bool. The reference is the 95th percentile of the frames' RMS, which a click or
        an outlier does not move; a clip without any signal is silent throughout.
    """
    _, energies = _mean_and_energies(samples, sample_rate)
    return _silent(energies, samples.size, sample_rate, below_db)


def _mean_and_energies(
    samples: npt.NDArray[np.float32], sample_rate: int
) -> tuple[float, npt.NDArray[np.float64]]:
    """The mean of samples, and the sum of squares of every frame, the last one perhaps a part.

    In double precision they are exact of 16-bit audio. A copy of some frames in it stays in the
    processor's cache, and sums of it are twice as fast as those that convert every number.
    """
    size = frame_size(sample_rate)
    n_whole, n_rest = divmod(samples.size, size)
    energies = np.empty(n_whole + (n_rest > 0))
    at_once = max(1, _SAMPLES_AT_ONCE // size)
    room = np.empty(size * min(at_once, n_whole))
    total = 0.0
    for start in range(0, n_whole, at_once):
        n = min(at_once, n_whole - start)
        values = room[: n * size]
        values[:] = samples[start * size : (start + n) * size]
        total += float(values.sum())
        frames = values.reshape(n, size)
        np.vecdot(frames, frames, out=energies[start : start + n])
    if n_rest:
        rest = samples[-n_rest:].astype(np.float64)
        total += float(rest.sum())
        energies[-1] = rest.dot(rest)
    return total / samples.size, energies


def _silent(
    energies: npt.NDArray[np.float64], n_samples: int, sample_rate: int, below_db: float
) -> npt.NDArray[np.bool_]:
    size = frame_size(sample_rate)
    power = energies / size
    if n_samples % size:
        power[-1] = energies[-1] / (n_samples % size)
    rms = np.sqrt(power)
    reference = percentile(rms, 0.95)
    if reference <= _FLOOR:
        # Nothing but rounding errors in all but a few frames.
        return np.asarray(rms <= _FLOOR)
    return np.asarray(rms < reference * 10 ** (-below_db / 20))


def percentile(values: npt.NDArray[np.float64], share: float) -> float:
    """`np.quantile` of (n,) numbers, n >= 1, to the last bit, in a tenth of its time."""
    place = (values.size - 1) * share
    below = math.floor(place)
    part = place - below
    ranked = np.sort(values)
    low, high = float(ranked[below]), float(ranked[min(below + 1, values.size - 1)])
    return high - (high - low) * (1 - part) if part >= 0.5 else low + (high - low) * part


def _bands(
    clips: Sequence[npt.NDArray[np.float32]],
    means: Sequence[float],
    sample_rate: int,
) -> npt.NDArray[np.float64]:
    """The cues `_BANDS` of clips of one rate, (clips, 3) in Hz; 0 of those without power.

    Single precision is twice as fast. It is enough where thresholds that are a little lower and a
    little higher give the same bins, and the mean, which is taken off, is not large.

    Args:
        clips: samples of each.
        means: of the samples.
        sample_rate: Hz.
    """
    size = _spectrum_size(sample_rate)
    power = _power_spectra(clips, means, sample_rate, "float32")
    places = _places(power, 1)
    least = 2 * _FLOOR**2 + np.square(np.multiply(means, size))
    sure = (places == _places(power, -1)).all(axis=1) & (power.sum(axis=1) > least)
    for i in np.flatnonzero(~sure).tolist():
        power[i] = _power_spectra(clips[i : i + 1], means[i : i + 1], sample_rate, "float64")
        places[i] = _places(power[i : i + 1], 0)
    places[power.sum(axis=1) <= _FLOOR**2] = 0
    return np.asarray(places * (sample_rate / size), dtype=np.float64)


def _places(power: npt.NDArray[np.float64], unsure: int) -> npt.NDArray[np.int64]:
    """The bins of :func:`_bands`, (clips, 3), of power (clips, bins).

    Args:
        power: in any unit.
        unsure: 1 or -1 shifts the thresholds by more than rounding errors; 0 leaves them.
    """
    below = np.cumsum(power, axis=1)
    whole = below[:, -1:]
    strongest = power.max(axis=1, keepdims=True)
    least = strongest * (10 ** (_CUTOFF_DB / 10) * (1 + unsure * _UNSURE_POWER))
    return np.stack(
        [
            (below < (0.95 + unsure * _UNSURE_SHARE) * whole).sum(axis=1),
            (below < (0.99 + unsure * _UNSURE_SHARE) * whole).sum(axis=1),
            power.shape[1] - 1 - (power >= least)[:, ::-1].argmax(axis=1),
        ],
        axis=1,
    )


@functools.lru_cache(maxsize=32)
def _spectrum_size(sample_rate: int) -> int:
    """Samples of about 32 ms: the next even number whose prime factors are 2, 3 and 5.

    32 ms are 706 samples at 22.05 kHz, twice a prime, of which a transform takes six times as long.
    """
    half = max(8, round(_FFT_SECONDS * sample_rate / 2))
    while 30 ** half.bit_length() % half:
        half += 1
    return 2 * half


@functools.lru_cache(maxsize=8)
def _window(size: int, precision: _Precision) -> npt.NDArray[Any]:
    return np.hanning(size).astype(precision)


@functools.lru_cache(maxsize=2)
def _ones(precision: _Precision) -> npt.NDArray[Any]:
    return np.ones(_FRAMES_AT_ONCE, precision)


def _power_spectra(
    clips: Sequence[npt.NDArray[np.float32]],
    means: Sequence[float],
    sample_rate: int,
    precision: _Precision,
) -> npt.NDArray[np.float64]:
    """Long-term power without the mean, (clips, bins): Hann windows of 32 ms, half overlapped."""
    size = _spectrum_size(sample_rate)
    squares = np.stack(
        [_squares(*clip, size, precision) for clip in zip(clips, means, strict=True)]
    )
    power = np.empty((len(clips), size // 2 + 1))
    power[:, 0], power[:, -1] = squares[:, 0], squares[:, -1]
    np.add(squares[:, 1:-1:2], squares[:, 2:-1:2], out=power[:, 1:-1])
    n_frames = [max(1, samples.size // (size // 2) - 1) for samples in clips]
    power /= np.array(n_frames)[:, None]
    return power


def _squares(
    samples: npt.NDArray[np.float32], mean: float, size: int, precision: _Precision
) -> npt.NDArray[np.float64]:
    """Sums over frames of squared real and imaginary parts, which take turns, (size,).

    A function of its own frees what it has filled, and the next clip finds that in the cache.
    """
    # It transforms several rows at once, which NumPy's does not, and in place, which SciPy's newer
    # function does not. The zeros of both ends are left out.
    from scipy.fftpack import rfft

    window, ones = _window(size, precision), _ones(precision)
    step = size // 2
    values = np.subtract(samples, mean, dtype=precision)
    if values.size < size:
        values = np.pad(values, (0, size - values.size))
    # Every frame is two neighbouring halves; frames share them without a copy.
    shape = (values.size // step - 1, size)
    strides = (step * values.itemsize, values.itemsize)
    frames = np.ndarray(shape, values.dtype, values, strides=strides)
    squares = np.zeros(size)
    # In blocks, so that an hour needs no gigabytes.
    for start in range(0, len(frames), _FRAMES_AT_ONCE):
        parts = rfft(frames[start : start + _FRAMES_AT_ONCE] * window, overwrite_x=True)
        np.multiply(parts, parts, out=parts)
        squares += ones[: len(parts)] @ parts
    return squares


def measure(samples: npt.NDArray[np.float32], sample_rate: int) -> dict[str, float]:
    """All trivial cues of one clip.

    * `duration` (s), `sample_rate` (Hz)
    * `leading_silence`, `trailing_silence` (s), `silence_ratio` (share of frames): frames more
      than 40 dB below the loud ones, see :func:`silent_frames`
    * `level` (RMS) and `peak`, in dB re full scale, not below -120; `dc`: size of the mean sample
    * `bandwidth_95`, `bandwidth_99` (Hz): below which that share of the power lies; `cutoff` (Hz):
      the highest frequency whose long-term power is within 60 dB of the strongest
    * `clipping`: share of samples at full scale; `zeros`: share of samples that are exactly zero

    Args:
        samples: (n,) float32 in about [-1, 1], n >= 1.
        sample_rate: Hz.
    """
    return measure_all([(samples, sample_rate)])[0]


def measure_all(
    clips: Sequence[tuple[npt.NDArray[np.float32], int]],
    peaks: Sequence[float | None] | None = None,
) -> list[dict[str, float]]:
    """What :func:`measure` gives of each of several clips, in less time.

    Args:
        clips: samples and rate of each.
        peaks: the largest size of a sample of each, where who decoded it has found it; None where
            it is not known.
    """
    # Spectra come after all else: one kind of work after the other keeps its code in the
    # processor's cache.
    peaks = [None] * len(clips) if peaks is None else peaks
    means, found = [], []
    for clip, peak in zip(clips, peaks, strict=True):
        mean, energies = _mean_and_energies(*clip)
        means.append(mean)
        found.append(_without_bands(*clip, mean, energies, peak))
    rates = [rate for _, rate in clips]
    for rate in set(rates):
        own = [i for i, of_clip in enumerate(rates) if of_clip == rate]
        bands = _bands([clips[i][0] for i in own], [means[i] for i in own], rate)
        for i, band in zip(own, bands.tolist(), strict=True):
            found[i].update(zip(_BANDS, band, strict=True))
    return found


def _without_bands(
    samples: npt.NDArray[np.float32],
    sample_rate: int,
    mean: float,
    energies: npt.NDArray[np.float64],
    peak: float | None,
) -> dict[str, float]:
    frame = frame_size(sample_rate)
    silent = _silent(energies, samples.size, sample_rate, SILENCE_DB)
    loud = (~silent).nonzero()[0]
    duration = samples.size / sample_rate
    leading = trailing = duration
    if loud.size:
        leading = float(loud[0]) * frame / sample_rate
        trailing = max(0, samples.size - (int(loud[-1]) + 1) * frame) / sample_rate
    if peak is None:
        peak = max(float(samples.max()), -float(samples.min()))
    n_clipped = np.count_nonzero(np.abs(samples) >= FULL_SCALE) if peak >= FULL_SCALE else 0
    rms = math.sqrt(float(energies.sum()) / samples.size)
    return {
        "duration": duration,
        "sample_rate": float(sample_rate),
        "leading_silence": leading,
        "trailing_silence": trailing,
        "silence_ratio": (silent.size - loud.size) / silent.size,
        "level": 20 * math.log10(max(rms, _FLOOR)),
        "peak": 20 * math.log10(max(peak, _FLOOR)),
        "dc": abs(mean),
        **dict.fromkeys(_BANDS, 0.0),
        "clipping": n_clipped / samples.size,
        "zeros": np.count_nonzero(samples == 0) / samples.size,
    }


def auc(bonafide: npt.NDArray[Any], spoof: npt.NDArray[Any]) -> float:
    """Probability that a bona fide value exceeds a spoof value, ties counting one half.

    Args:
        bonafide: (n,) values, n >= 1.
        spoof: (m,) values, m >= 1.

    Returns:
        In [0, 1]; 0.5 carries no information.
    """
    ranked = np.sort(bonafide)
    below = np.searchsorted(ranked, spoof, "left") + np.searchsorted(ranked, spoof, "right")
    return float(1 - below.mean() / (2 * ranked.size))


def in_words(cue: str, value: float) -> str:
    """A cue's number with its unit, such as `0.32 s`."""
    _, factor, unit = WORDS[cue]
    return f"{factor * value:.3g} {unit}" if unit != "Hz" else f"{value:.0f} Hz"


class Evidence(NamedTuple):
    """How many independent clips of each class an AUC is worth, and the degrees of freedom."""

    n_bonafide: float
    n_spoof: float
    degrees: int


def evidence_of_speakers(
    bonafide: npt.NDArray[Any],
    spoof: npt.NDArray[Any],
    speakers_bonafide: npt.NDArray[np.integer[Any]],
    speakers_spoof: npt.NDArray[np.integer[Any]],
) -> Evidence:
    """What an AUC is worth where clips of a speaker are alike, but speakers independent.

    The variance over speakers (Obuchowski, Biometrics 53, 1997, who may have clips of both classes)
    is compared with that of as many independent clips (DeLong et al., Biometrics 44, 1988). By this
    factor there are fewer clips, and never more. Clips out of order of fewer than five speakers of
    a class, and not of all, say little about others, and where neither variance is above 0 they say
    nothing. Then speakers are worth no more than one clip each, on average.

    Args:
        bonafide: (n,) values.
        spoof: (m,) values.
        speakers_bonafide: (n,) number of the speaker of each, from 0; two or more speakers.
        speakers_spoof: (m,) the same of the spoofs, in the same numbers.
    """
    above, below = 1 - _shares_below(spoof, bonafide), _shares_below(bonafide, spoof)
    value = below.mean()
    over_speakers = _variance_over_speakers(
        [below - value, above - value], (speakers_bonafide, speakers_spoof)
    )
    counts = [np.unique(own).size for own in (speakers_bonafide, speakers_spoof)]
    over_clips = below.var(ddof=1) / below.size + above.var(ddof=1) / above.size
    factor = max(1.0, over_speakers / float(over_clips)) if over_clips > 0 else 1.0
    worth = [max(1.0, shares.size / factor) for shares in (below, above)]
    in_order = 1.0 if value >= 0.5 else 0.0
    mixed = [
        np.count_nonzero(np.bincount(speakers[shares != in_order]))
        for shares, speakers in ((below, speakers_bonafide), (above, speakers_spoof))
    ]
    few = any(n < min(_SPEAKERS_TO_TELL, of) for n, of in zip(mixed, counts, strict=True))
    if few or over_clips <= 0:
        worth = [min(n, of) for n, of in zip(worth, counts, strict=True)]
    return Evidence(worth[0], worth[1], min(counts) - 1)


def auc_growth(
    bonafide: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    spoof: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    speakers: tuple[npt.NDArray[np.integer[Any]], npt.NDArray[np.integer[Any]]] | None = None,
) -> tuple[float, float]:
    """How much farther from 0.5 an AUC is when the same clips get other values; and its error.

    A cue separates the classes by the distance of its AUC from 0.5, on whichever side. The standard
    error is that of paired AUCs (DeLong et al., Biometrics 44, 1988), and not below that over
    speakers, where these are given (Obuchowski, Biometrics 53, 1997).

    Args:
        bonafide: (n,) values before and (n,) after, of the same clips, n >= 2.
        spoof: (m,) and (m,) of the spoofs, m >= 2.
        speakers: number of the speaker of each of the n and of the m clips, from 0, see
            :func:`evidence_of_speakers`; two or more of each class.
    """
    distances = [np.zeros(len(bonafide[0])), np.zeros(len(spoof[0]))]
    growth = 0.0
    for i, weight in ((0, -1.0), (1, 1.0)):
        of_each = _shares_below(bonafide[i], spoof[i]), 1 - _shares_below(spoof[i], bonafide[i])
        value = float(of_each[0].mean())
        side = weight if value >= 0.5 else -weight
        growth += side * (value - 0.5)
        for distance, shares in zip(distances, of_each, strict=True):
            distance += side * shares
    variance = sum(float(each.var(ddof=1)) / each.size for each in distances)
    if speakers is not None:
        centred = [each - each.mean() for each in distances]
        variance = max(variance, _variance_over_speakers(centred, speakers))
    return growth, math.sqrt(variance)


def _variance_over_speakers(
    centred: Sequence[npt.NDArray[np.float64]],
    speakers: tuple[npt.NDArray[np.integer[Any]], npt.NDArray[np.integer[Any]]],
) -> float:
    """Of the sum of the means of two classes, where speakers are drawn; see
    :func:`evidence_of_speakers`.

    Args:
        centred: (n,) of the bona fide clips and (m,) of the spoofs, less what they are compared to.
        speakers: (n,) and (m,) numbers of their speakers.
    """
    n_speakers = max(int(each.max()) for each in speakers) + 1
    sums = [
        np.bincount(own, values, n_speakers) / values.size
        for values, own in zip(centred, speakers, strict=True)
    ]
    there = [np.bincount(own, minlength=n_speakers) > 0 for own in speakers]
    counts = [int(each.sum()) for each in (*there, there[0] | there[1])]
    products = (sums[0] ** 2, sums[1] ** 2, 2 * sums[0] * sums[1])
    return sum(float(each.sum()) * n / (n - 1) for each, n in zip(products, counts, strict=True))


def _shares_below(values: npt.NDArray[Any], others: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Of each value the share of the others that are below it, ties counting one half."""
    ranked = np.sort(others)
    twice = np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")
    return np.asarray(twice / (2 * ranked.size))


def auc_interval(value: float, n_bonafide: float, n_spoof: float, z: float) -> tuple[float, float]:
    """Confidence interval of an AUC from the two class sizes alone.

    The set of all true values whose distance from the observed one is at most `z` times their own
    standard error after Hanley and McNeil (Radiology 143, 1982), as Newcombe proposes (Statistics
    in Medicine 25, 2006, method 5). Unlike value +- z * SE, it stays inside [0, 1] and has a width
    at 0 and at 1, so that few trials never look certain.

    Args:
        value: observed AUC, in [0, 1].
        n_bonafide: number of independent bona fide trials, >= 1.
        n_spoof: number of independent spoof trials, >= 1.
        z: quantile of the normal distribution, such as 1.96, or of Student's.
    """

    def outside(truth: float) -> bool:
        mean = (n_bonafide + n_spoof) / 2 - 1
        variance = (
            truth
            * (1 - truth)
            * (1 + mean * (1 - truth) / (2 - truth) + mean * truth / (1 + truth))
        )
        return (value - truth) ** 2 > z * z * variance / (n_bonafide * n_spoof)

    def bound(far: float) -> float:
        inside = value
        for _ in range(50):
            middle = (inside + far) / 2
            inside, far = (inside, middle) if outside(middle) else (middle, far)
        return inside

    return bound(0.0), bound(1.0)
