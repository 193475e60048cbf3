"""A band that is made louder or softer."""

from typing import Any, ClassVar

import numpy as np

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect
from spoofscope.options.effects.band import BandOptions

N_FFT, HOP = 1024, 256


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


def band_of(x: Samples, sample_rate: int, low: float, high: float) -> np.ndarray[Any, Any]:
    """What a signal has in a band, (n,) float64: the bins from `low` to `high` Hz, both included.

    The signal is mirrored at its ends, and the inverse transform is that of least squares (Griffin
    and Lim, "Signal estimation from modified short-time Fourier transform", 1984), as in PyTorch.
    """
    half = N_FFT // 2
    window = np.hanning(N_FFT + 1)[:-1]
    mode: Any = "reflect" if x.size > 1 else "edge"
    padded = np.pad(x.astype(np.float64), half, mode=mode)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    spectra = np.fft.rfft(frames * window)
    frequencies = np.fft.rfftfreq(N_FFT, 1 / sample_rate)
    spectra[:, (frequencies < low) | (frequencies > high)] = 0
    parts = np.fft.irfft(spectra, N_FFT) * window
    total, weight = np.zeros(padded.size), np.zeros(padded.size)
    for i, part in enumerate(parts):
        total[i * HOP : i * HOP + N_FFT] += part
        weight[i * HOP : i * HOP + N_FFT] += window**2
    inside: np.ndarray[Any, Any] = (total / np.maximum(weight, 1e-12))[half : half + x.size]
    return inside
