"""Noise of a drawn kind, then a filter of a drawn kind: what unknown channels do to speech.

Kinds and ranges are the defaults of the transforms of audiomentations 0.43, which detectors of the
ASVspoof 5 challenge were trained with. Filters run forwards and backwards, so nothing is delayed.
"""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfiltfilt

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect
from spoofscope.options.effects.noise_filter import NoiseFilterOptions

Signal = npt.NDArray[np.float64]

NOISES = ("coloured", "gaussian_amplitude", "gaussian_snr")
# Kind of filter to the range of its centre or cut-off in Hz.
FILTERS = {
    "band_pass": (200.0, 4000.0),
    "band_stop": (200.0, 4000.0),
    "high_pass": (20.0, 2400.0),
    "low_pass": (150.0, 7500.0),
    "high_shelf": (300.0, 7500.0),
    "low_shelf": (50.0, 4000.0),
    "peaking": (50.0, 7500.0),
}
_SNR = (5.0, 40.0)
_AMPLITUDE = (0.001, 0.015)
_DECAY = (-6.0, 6.0)
_BANDWIDTH = (0.5, 1.99)
_GAIN = {"high_shelf": 18.0, "low_shelf": 18.0, "peaking": 24.0}
_Q = {"high_shelf": (0.1, 0.999), "low_shelf": (0.1, 0.999), "peaking": (0.5, 5.0)}


class NoiseFilter(Effect):
    """One of three noises, then one of seven filters, each of them most of the time."""

    name: ClassVar[str] = "noise_filter"
    declared = NoiseFilterOptions
    options: NoiseFilterOptions

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Disturb (n,) samples.

        Returns:
            The disturbed signal; the kinds that were drawn and their parameters (dB, Hz).
        """
        y = x.astype(np.float64)
        used: dict[str, Any] = {}
        if rng.random() < self.options.noise_probability:
            y, drawn = add_noise(y, str(rng.choice(NOISES)), self._sample_rate, rng)
            used |= drawn
        if rng.random() < self.options.filter_probability:
            y, drawn = apply_filter(y, str(rng.choice(list(FILTERS))), self._sample_rate, rng)
            used |= drawn
        return y.astype(np.float32), used


def add_noise(
    x: Signal, kind: str, sample_rate: int, rng: np.random.Generator
) -> tuple[Signal, dict[str, Any]]:
    """Add noise of a kind of `NOISES`; a silent clip has no signal-to-noise ratio and stays silent.

    Returns:
        (n,) samples, and what was drawn: `snr` or `amplitude`, `decay` in dB per octave.
    """
    noise = rng.standard_normal(x.size)
    if kind == "gaussian_amplitude":
        amplitude = rng.uniform(*_AMPLITUDE)
        return x + amplitude * noise, {"noise": kind, "amplitude": amplitude}
    used: dict[str, Any] = {"noise": kind, "snr": rng.uniform(*_SNR)}
    if kind == "coloured":
        used["decay"] = rng.uniform(*_DECAY)
        octaves = np.log2(np.maximum(np.fft.rfftfreq(x.size, 1 / sample_rate), 1.0))
        noise = np.fft.irfft(np.fft.rfft(noise) * 10.0 ** (used["decay"] * octaves / 20), n=x.size)
    level = np.mean(noise**2)
    scale = np.sqrt(np.mean(x**2) / level) * 10.0 ** (-used["snr"] / 20) if level else 0.0
    return x + scale * noise, used


def apply_filter(
    x: Signal, kind: str, sample_rate: int, rng: np.random.Generator
) -> tuple[Signal, dict[str, Any]]:
    """Filter with a kind of `FILTERS`; frequencies are drawn evenly on the mel scale.

    Returns:
        (n,) samples, and what was drawn: `frequency` in Hz; `rolloff` in dB per octave and
        `bandwidth` as a share of the frequency, or `gain` in dB and `q`.
    """
    low, high = (2595 * np.log10(1 + f / 700) for f in FILTERS[kind])
    frequency = 700 * (10 ** (rng.uniform(low, high) / 2595) - 1)
    highest = 0.49 * sample_rate
    frequency = min(frequency, highest)
    used: dict[str, Any] = {"filter": kind, "frequency": frequency}
    # Forwards and backwards: half the gain or slope each time.
    if kind in _GAIN:
        used["gain"] = rng.uniform(-_GAIN[kind], _GAIN[kind])
        used["q"] = rng.uniform(*_Q[kind])
        sos = equaliser(kind, frequency, used["gain"] / 2, used["q"], sample_rate)
    else:
        order = int(rng.integers(1, 3))
        used["rolloff"] = 12 * order
        edges: Any = frequency
        if kind.startswith("band"):
            used["bandwidth"] = rng.uniform(*_BANDWIDTH)
            half = frequency * used["bandwidth"] / 2
            edges = [max(frequency - half, 1.0), min(frequency + half, highest)]
        btype: Any = kind.replace("_", "")
        sos = butter(order, edges, btype, fs=sample_rate, output="sos")
    padding = min(3 * (2 * len(sos) + 1), x.size - 1)
    filtered: Signal = sosfiltfilt(sos, x, padlen=padding)
    return filtered, used


def equaliser(kind: str, frequency: float, gain: float, q: float, sample_rate: int) -> Signal:
    """A second-order shelf or peak of Bristow-Johnson's audio EQ cookbook.

    Args:
        kind: high_shelf, low_shelf or peaking.
        frequency: corner or centre in Hz.
        gain: dB on the shelf or at the peak.
        q: quality factor.
        sample_rate: Hz.

    Returns:
        (1, 6) second-order section.
    """
    a = 10.0 ** (gain / 40)
    w = 2 * np.pi * frequency / sample_rate
    cos, alpha = np.cos(w), np.sin(w) / (2 * q)
    if kind == "peaking":
        b = [1 + alpha * a, -2 * cos, 1 - alpha * a]
        c = [1 + alpha / a, -2 * cos, 1 - alpha / a]
    else:
        # The two shelves are mirror images of each other in frequency.
        s = 1.0 if kind == "low_shelf" else -1.0
        root = 2 * np.sqrt(a) * alpha
        up, down = a + 1, a - 1
        b = [
            a * (up - s * down * cos + root),
            s * 2 * a * (down - s * up * cos),
            a * (up - s * down * cos - root),
        ]
        c = [up + s * down * cos + root, s * -2 * (down + s * up * cos), up + s * down * cos - root]
    return np.array([[*b, *c]]) / c[0]
