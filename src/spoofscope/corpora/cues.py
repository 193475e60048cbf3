"""Trivial cues: properties of a clip that say nothing about speech but may separate the classes.

A corpus in which one of them does so lets a detector score well without hearing a deepfake; see
Müller et al., "Speech is Silver, Silence is Golden: What do ASVspoof-trained Models Really Learn?",
ASVspoof workshop 2021. NumPy only.
"""

import math
from typing import Any

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
    size = frame_size(sample_rate)
    starts = np.arange(0, samples.size, size)
    power = np.add.reduceat(np.square(samples, dtype=np.float64), starts)
    rms = np.sqrt(power / np.minimum(size, samples.size - starts))
    reference = float(np.percentile(rms, 95))
    if reference <= _FLOOR:
        # Nothing but rounding errors in all but a few frames.
        return np.asarray(rms <= _FLOOR)
    return np.asarray(rms < reference * 10 ** (-below_db / 20))


def _power_spectrum(
    samples: npt.NDArray[np.float32], sample_rate: int
) -> tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.floating[Any]]]:
    """Frequencies (Hz) and long-term power, without DC: Hann windows of 32 ms, half overlapped."""
    size = max(16, round(_FFT_SECONDS * sample_rate) // 2 * 2)
    values = samples.astype(np.float64)
    values -= values.mean()
    if values.size < size:
        values = np.pad(values, (0, size - values.size))
    frames = np.lib.stride_tricks.sliding_window_view(values, size)[:: size // 2]
    window = np.hanning(size)
    power = np.zeros(size // 2 + 1)
    # In blocks, so that an hour of audio needs no gigabytes.
    for start in range(0, len(frames), 1024):
        spectrum = np.fft.rfft(frames[start : start + 1024] * window, axis=1)
        power += np.square(np.abs(spectrum)).sum(axis=0)
    return np.arange(size // 2 + 1) * (sample_rate / size), power / len(frames)


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
    silent = silent_frames(samples, sample_rate)
    loud = np.flatnonzero(~silent)
    duration = samples.size / sample_rate
    leading = trailing = duration
    if loud.size:
        frame = frame_size(sample_rate)
        leading = loud[0] * frame / sample_rate
        trailing = max(0, samples.size - (loud[-1] + 1) * frame) / sample_rate
    frequencies, power = _power_spectrum(samples, sample_rate)
    total = float(power.sum())
    if total > _FLOOR**2:
        share = np.cumsum(power) / total
        # The last share can round to just below one; argmax of "share >= x" is still defined.
        bandwidth_95 = float(frequencies[np.argmax(share >= 0.95)])
        bandwidth_99 = float(frequencies[np.argmax(share >= 0.99)])
        strong = np.flatnonzero(power >= power.max() * 10 ** (_CUTOFF_DB / 10))
        cutoff = float(frequencies[strong[-1]])
    else:
        bandwidth_95 = bandwidth_99 = cutoff = 0.0
    absolute = np.abs(samples)
    rms = math.sqrt(float(np.mean(np.square(samples, dtype=np.float64))))
    return {
        "duration": duration,
        "sample_rate": float(sample_rate),
        "leading_silence": float(leading),
        "trailing_silence": float(trailing),
        "silence_ratio": float(silent.mean()),
        "level": 20 * math.log10(max(rms, _FLOOR)),
        "peak": 20 * math.log10(max(float(absolute.max()), _FLOOR)),
        "dc": abs(float(samples.mean(dtype=np.float64))),
        "bandwidth_95": bandwidth_95,
        "bandwidth_99": bandwidth_99,
        "cutoff": cutoff,
        # 16-bit audio reaches 32767 / 32768 at the top.
        "clipping": float(np.mean(absolute >= 0.9999)),
        "zeros": float(np.mean(samples == 0)),
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
