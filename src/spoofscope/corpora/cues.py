"""Trivial cues: properties of a clip that say nothing about speech but may separate the classes.

A corpus in which one of them does so lets a detector score well without hearing a deepfake; see
Müller et al., "Speech is Silver, Silence is Golden: What do ASVspoof-trained Models Really Learn?",
ASVspoof workshop 2021.
"""

import functools
import math
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

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

_CUTOFF_DB = -60.0
_FFT_SECONDS = 0.032
_FLOOR = 1e-6
_Precision = Literal["float32", "float64"]
_FRAMES_AT_ONCE = 32
# Rounding errors of single precision: of a bin at 60 dB below the strongest some 0.0003 of its
# power, of a share of the whole power some 0.000002. These are several times as much.
_UNSURE_POWER = 0.01
_UNSURE_SHARE = 1e-5


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
    return _silent(np.square(samples, dtype=np.float64), sample_rate, below_db)


def _silent(
    squares: npt.NDArray[np.float64], sample_rate: int, below_db: float
) -> npt.NDArray[np.bool_]:
    size = frame_size(sample_rate)
    starts = np.arange(0, squares.size, size)
    power = np.add.reduceat(squares, starts)
    rms = np.sqrt(power / np.minimum(size, squares.size - starts))
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


class _Band(NamedTuple):
    """`bandwidth_95`, `bandwidth_99` and `cutoff` of :func:`measure`, in Hz."""

    bandwidth_95: float
    bandwidth_99: float
    cutoff: float


def _band(samples: npt.NDArray[np.float32], sample_rate: int) -> _Band:
    """Single precision is twice as fast, and is enough where no bin is near a threshold."""
    band = _band_in("float32", samples, sample_rate)
    return band or _band_in("float64", samples, sample_rate) or _Band(0.0, 0.0, 0.0)


def _band_in(
    precision: _Precision, samples: npt.NDArray[np.float32], sample_rate: int
) -> _Band | None:
    """None where rounding errors might decide, and of a clip without power."""
    frequencies, power = _power_spectrum(samples, sample_rate, precision)
    total = float(power.sum())
    single = precision == "float32"
    if total <= _FLOOR**2 * (2 if single else 1):
        return None
    share = np.cumsum(power) / total
    strongest = float(power.max()) * 10 ** (_CUTOFF_DB / 10)
    cutoff = int(np.flatnonzero(power >= strongest)[-1])
    if single and (
        float(np.abs(share - 0.95).min()) < _UNSURE_SHARE
        or float(np.abs(share - 0.99).min()) < _UNSURE_SHARE
        or power[cutoff] < strongest * (1 + _UNSURE_POWER)
        or float(power[cutoff + 1 :].max(initial=0)) > strongest * (1 - _UNSURE_POWER)
    ):
        return None
    places = [*np.searchsorted(share, (0.95, 0.99)), cutoff]
    return _Band(*frequencies[places].tolist())


@functools.lru_cache(maxsize=8)
def _window(size: int, precision: _Precision) -> npt.NDArray[Any]:
    return np.hanning(size).astype(precision)


def _power_spectrum(
    samples: npt.NDArray[np.float32],
    sample_rate: int,
    precision: _Precision = "float64",
) -> tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.floating[Any]]]:
    """Frequencies (Hz) and long-term power, without DC: Hann windows of 32 ms, half overlapped."""
    # It transforms several rows at once, which NumPy's does not.
    from scipy.fft import rfft

    size = max(16, round(_FFT_SECONDS * sample_rate) // 2 * 2)
    # In single precision a large mean would leave more than rounding errors of the rest.
    values = np.asarray(samples - samples.mean(dtype=np.float64), dtype=precision)
    if values.size < size:
        values = np.pad(values, (0, size - values.size))
    # `sliding_window_view` costs a short clip half as much as all of the transform.
    step, stride = size // 2, values.strides[0]
    frames = np.lib.stride_tricks.as_strided(
        values,
        ((values.size - size) // step + 1, size),
        (step * stride, stride),
        writeable=False,
    )
    window = _window(size, precision)
    # Real and imaginary parts take turns.
    power = np.zeros(2 * (size // 2 + 1))
    # In blocks, which stay in the processor's cache, and so that an hour needs no gigabytes.
    for start in range(0, len(frames), _FRAMES_AT_ONCE):
        spectrum = rfft(frames[start : start + _FRAMES_AT_ONCE] * window, axis=1)
        parts = spectrum.view(precision)
        power += np.square(parts, out=parts).sum(axis=0)
    frequencies = np.arange(size // 2 + 1) * (sample_rate / size)
    return frequencies, power.reshape(-1, 2).sum(axis=1) / len(frames)


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
    squares = np.square(samples, dtype=np.float64)
    silent = _silent(squares, sample_rate, SILENCE_DB)
    loud = np.flatnonzero(~silent)
    duration = samples.size / sample_rate
    leading = trailing = duration
    if loud.size:
        frame = frame_size(sample_rate)
        leading = loud[0] * frame / sample_rate
        trailing = max(0, samples.size - (loud[-1] + 1) * frame) / sample_rate
    band = _band(samples, sample_rate)
    peak = max(float(samples.max()), -float(samples.min()))
    # 16-bit audio reaches 32767 / 32768 at the top.
    n_clipped = np.count_nonzero(np.abs(samples) >= 0.9999) if peak > 0.999 else 0
    rms = math.sqrt(float(squares.mean()))
    return {
        "duration": duration,
        "sample_rate": float(sample_rate),
        "leading_silence": float(leading),
        "trailing_silence": float(trailing),
        "silence_ratio": np.count_nonzero(silent) / silent.size,
        "level": 20 * math.log10(max(rms, _FLOOR)),
        "peak": 20 * math.log10(max(peak, _FLOOR)),
        "dc": abs(float(samples.mean(dtype=np.float64))),
        **band._asdict(),
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


def auc_interval(value: float, n_bonafide: int, n_spoof: int, z: float) -> tuple[float, float]:
    """Confidence interval of an AUC from the two class sizes alone.

    The set of all true values whose distance from the observed one is at most `z` times their own
    standard error after Hanley and McNeil (Radiology 143, 1982), as Newcombe proposes (Statistics
    in Medicine 25, 2006, method 5). Unlike value +- z * SE, it stays inside [0, 1] and has a width
    at 0 and at 1, so that few trials never look certain.

    Args:
        value: observed AUC, in [0, 1].
        n_bonafide: number of bona fide trials, >= 1.
        n_spoof: number of spoof trials, >= 1.
        z: quantile of the normal distribution, such as 1.96.
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
