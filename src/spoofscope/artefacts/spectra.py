"""Short-time spectra of a clip, and their shapes. NumPy only."""

import numpy as np
import numpy.typing as npt

from spoofscope.audio import Samples

Floats = npt.NDArray[np.float64]

FLOOR = 1e-12
"""Power of -120 dB re full scale: what is below counts as nothing."""

_HIGH_BAND_HZ = 4000.0


def frames_around(samples: Samples, centres: npt.NDArray[np.int64], size: int) -> Floats:
    """Frames (n, size) around sample positions; beyond the clip's ends there are zeros."""
    half = size // 2
    first = int(min(centres.min() - half, 0))
    last = int(max(centres.max() - half + size, samples.size))
    padded = np.pad(samples.astype(np.float64), (-first, last - samples.size))
    return padded[(centres - half - first)[:, None] + np.arange(size)]


def decibels(power: npt.ArrayLike) -> Floats:
    """Power in dB, not below -120."""
    return 10 * np.log10(np.maximum(np.asarray(power, dtype=np.float64), FLOOR))


class Spectra:
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
        return decibels(self.power.sum(axis=1))

    def centroid(self) -> Floats:
        """Mean frequency in Hz, weighted by power."""
        power = self.power + FLOOR
        centroids: Floats = power @ self.frequencies / power.sum(axis=1)
        return centroids

    def flatness(self) -> Floats:
        """Geometric over arithmetic mean of the power, in dB: 0 = white, below = peaky."""
        power = self.power[:, 1:] + FLOOR
        levels: Floats = 10 * (np.log10(power).mean(axis=1) - np.log10(power.mean(axis=1)))
        return levels

    def high_band(self) -> Floats:
        """Power above 4 kHz over all power, in dB; -120 where the sample rate leaves none."""
        high = self.power[:, self.frequencies > _HIGH_BAND_HZ].sum(axis=1)
        return decibels(high / np.maximum(self.power.sum(axis=1), FLOOR))
