"""Spectra of single clips; fingerprints are their means. NumPy and PyWavelets, no torch."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pywt
from numpy.lib.stride_tricks import sliding_window_view

from spoofscope.errors import ConfigError

Floats = npt.NDArray[np.float64]

ENERGY_SIZE = 256
"""Samples per frame of the average energy, WaveFake's (Frank and Schönherr, NeurIPS 2021)."""

_ENERGY_HOP = ENERGY_SIZE // 2


def checked_wavelet(name: str) -> str:
    """The name, if PyWavelets has such a discrete wavelet.

    Raises:
        ConfigError: it has not.
    """
    if name not in pywt.wavelist(kind="discrete"):
        raise ConfigError(
            f"fingerprints.wavelet: {name!r} is no discrete wavelet of PyWavelets, such as haar, "
            "sym5, db8 or coif4"
        )
    return name


def packets(samples: npt.NDArray[Any], wavelet: str, level: int) -> Floats:
    """Wavelet packet coefficients of all nodes of one level, in the order of frequency.

    Equal to PyWavelets' `WaveletPacket` with mode "reflect" and order "freq", without its tree of
    Python objects: at level 14 that has 32,767 of them.

    Args:
        samples: (n,).
        wavelet: a discrete wavelet of PyWavelets.
        level: decompositions.

    Returns:
        (2**level, T) float64, lowest band first: band k holds about k to k + 1 times
        sample_rate / 2**(level + 1) Hz.
    """
    nodes = np.asarray(samples, dtype=np.float64)[None]
    for _ in range(level):
        halves = np.stack(pywt.dwt(nodes, wavelet, mode="reflect", axis=-1), axis=1)
        # The band of a high-pass output is mirrored, so the children of every other node come in
        # reverse: this is the Gray code order.
        halves[1::2] = halves[1::2, ::-1]
        nodes = halves.reshape(-1, halves.shape[-1])
    return nodes


def mean_power(samples: npt.NDArray[Any]) -> Floats:
    """Power spectrum (`ENERGY_SIZE` // 2 + 1,), the mean over Hann frames that overlap by half."""
    frames = sliding_window_view(np.asarray(samples, dtype=np.float64), ENERGY_SIZE)[::_ENERGY_HOP]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(ENERGY_SIZE) / ENERGY_SIZE)
    power: Floats = np.mean(np.abs(np.fft.rfft(frames * window, axis=1)) ** 2, axis=0)
    return power


class Spectra(NamedTuple):
    """Spectra of a clip of n samples, which are averaged over clips.

    packets: (2**level,) mean over time of the coefficients' magnitudes. fourier: (n // 2 + 1,)
    magnitudes of the whole clip. waveform: (n,) the clip itself; its mean over clips keeps the
    components with the same phase in all clips. energy: (`ENERGY_SIZE` // 2 + 1,) of
    :func:`mean_power`.
    """

    packets: Floats
    fourier: Floats
    waveform: Floats
    energy: Floats


def spectra(samples: npt.NDArray[Any], wavelet: str, level: int) -> Spectra:
    """The spectra of a clip (n,), n at least `ENERGY_SIZE`."""
    x = np.asarray(samples, dtype=np.float64)
    return Spectra(
        packets=np.abs(packets(x, wavelet, level)).mean(axis=1),
        fourier=np.abs(np.fft.rfft(x)),
        waveform=x,
        energy=mean_power(x),
    )
