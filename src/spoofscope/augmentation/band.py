"""A band that is made louder or softer."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect
from spoofscope.options.effects.band import BandOptions

N_FFT, HOP = 1024, 256

Bins = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class Band(Effect):
    """Bins of a short-time Fourier transform (1024 samples, hop 256, Hann) are scaled."""

    name: ClassVar[str] = "band"
    declared = BandOptions
    options: BandOptions

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Scale the band of (n,) samples.

        Returns:
            The signal with the scaled band; the gain in dB.
        """
        gain = float(rng.uniform(*self.options.gain))
        inside = band_of(x, self._sample_rate, self.options.low, self.options.high)
        factor = 10 ** (gain / 20)
        return (x + (factor - 1) * inside).astype(np.float32), {"gain_db": gain}


def band_of(x: Samples, sample_rate: int, low: float, high: float) -> Floats:
    """What a signal has in a band, (n,) float64: the bins from `low` to `high` Hz, both included.

    The signal is mirrored at its ends, and the inverse transform is that of least squares (Griffin
    and Lim, "Signal estimation from modified short-time Fourier transform", 1984), as in PyTorch.
    """
    return part_of(x, bins_within(sample_rate, low, high))


def bins_within(sample_rate: int, low: float, high: float) -> Bins:
    """The bins (513,) from `low` to `high` Hz, both included."""
    frequencies = np.fft.rfftfreq(N_FFT, 1 / sample_rate)
    inside: Bins = (frequencies >= low) & (frequencies <= high)
    return inside


def energies_of_bins(x: Samples) -> Floats:
    """Energy of each bin over all frames of a signal, (513,)."""
    energies: Floats = np.square(np.abs(_spectra(x))).sum(axis=0)
    return energies


def part_of(x: Samples, bins: Bins) -> Floats:
    """What a signal has in some bins (513,), see :func:`band_of`."""
    window = _window()
    parts = np.fft.irfft(_spectra(x) * bins, N_FFT) * window
    total, weight = (np.zeros(x.size + N_FFT) for _ in range(2))
    for i, part in enumerate(parts):
        total[i * HOP : i * HOP + N_FFT] += part
        weight[i * HOP : i * HOP + N_FFT] += window**2
    half = N_FFT // 2
    inside: Floats = (total / np.maximum(weight, 1e-12))[half : half + x.size]
    return inside


def _window() -> Floats:
    return np.hanning(N_FFT + 1)[:-1]


def _spectra(x: Samples) -> npt.NDArray[np.complex128]:
    """Of the frames (n, 513)."""
    mode: Any = "reflect" if x.size > 1 else "edge"
    padded = np.pad(x.astype(np.float64), N_FFT // 2, mode=mode)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    spectra: npt.NDArray[np.complex128] = np.fft.rfft(frames * _window())
    return spectra
