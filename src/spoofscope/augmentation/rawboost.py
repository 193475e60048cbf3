"""RawBoost: convolutive, impulsive and stationary coloured noise, without any recordings.

Source: H. Tak, M. Kamble, J. Patino, M. Todisco, N. Evans, "RawBoost: A raw data boosting and
augmentation method applied to automatic speaker verification anti-spoofing", ICASSP 2022. The
default constants are the published ones.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.signal import firwin, oaconvolve

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect
from spoofscope.errors import ConfigError
from spoofscope.options.effects.rawboost import RawBoostOptions

Signal = npt.NDArray[np.float64]

_EDGE = 1e-3  # Hz that a stop band keeps from 0 Hz and from the Nyquist frequency
_GRID = 512  # frequencies in [0, Nyquist) at which a filter's peak gain is sought


def _check_rate(c: RawBoostOptions, sample_rate: int) -> None:
    """Stop bands lie below half the sample rate, and are wide enough to be there."""
    where = "effect rawboost: "
    if not 0 <= c.centre[0] < sample_rate / 2:
        raise ConfigError(f"{where}centre: must begin between 0 Hz and {sample_rate / 2:g} Hz")
    if c.width[0] <= 2 * _EDGE:
        raise ConfigError(f"{where}width: must be above {2 * _EDGE:g} Hz")


def _at_most_one(y: Signal) -> Signal:
    """Scale down to a peak of 1 where the peak is higher."""
    peak = float(np.max(np.abs(y)))
    return y / peak if peak > 1.0 else y


def notch_filter(
    c: RawBoostOptions, gain: tuple[float, float], sample_rate: int, rng: np.random.Generator
) -> tuple[Signal, float]:
    """A linear-phase FIR filter with random stop bands.

    A cascade of `c.bands` Hamming-window band-stop filters, scaled so that the largest magnitude
    of its response is a gain drawn from `gain` (dB).

    Returns:
        An odd number of symmetric taps, and the gain in dB.
    """
    nyquist = sample_rate / 2
    taps = np.ones(1)
    for _ in range(c.bands):
        centre = rng.uniform(c.centre[0], min(c.centre[1], nyquist))
        width = rng.uniform(*c.width)
        length = int(rng.uniform(*c.taps))
        low = max(centre - width / 2, _EDGE)
        high = min(centre + width / 2, nyquist - _EDGE)
        stop = firwin(length + 1 - length % 2, [low, high], window="hamming", fs=sample_rate)
        taps = np.convolve(taps, stop)
    gain_db = float(rng.uniform(*gain))
    peak = float(np.max(np.abs(np.fft.rfft(taps, max(2 * _GRID, taps.size))[:-1])))
    return 10.0 ** (gain_db / 20.0) / peak * taps, gain_db


def convolutive(
    x: Signal, c: RawBoostOptions, sample_rate: int, rng: np.random.Generator
) -> tuple[Signal, dict[str, Any]]:
    """Linear and non-linear convolutive noise (LnL).

    The sum over i = 1..orders of x**i filtered by a notch filter of its own; mean removed; peak
    brought to 1 where it is higher. The filters' delay is taken out, so the result is aligned.

    Returns:
        (n,) samples, and the gain in dB of every order.
    """
    low, high = sorted((c.gain[0] - c.nonlinear_bias[0], c.gain[1] - c.nonlinear_bias[1]))
    y = np.zeros_like(x)
    gains = []
    powered = np.ones_like(x)
    for order in range(1, c.orders + 1):
        powered = powered * x  # much faster than x**order
        taps, gain = notch_filter(c, c.gain if order == 1 else (low, high), sample_rate, rng)
        y += _filtered(powered, taps)
        gains.append(gain)
    return _at_most_one(y - y.mean()), {"gains": gains}


def impulsive(
    x: Signal, c: RawBoostOptions, rng: np.random.Generator
) -> tuple[Signal, dict[str, Any]]:
    """Impulsive, signal-dependent additive noise (ISD).

    A share of U(0, impulses) percent of the samples becomes x + impulse_gain * x * u * v with u, v
    from U(-1, 1); peak brought to 1 where it is higher.

    Returns:
        (n,) samples, and the number of samples touched.
    """
    share = rng.uniform(0.0, c.impulses)
    count = int(x.size * share / 100.0)
    touched = rng.choice(x.size, size=count, replace=False)
    factor = rng.uniform(-1, 1, count) * rng.uniform(-1, 1, count)
    y = x.copy()
    y[touched] += c.impulse_gain * x[touched] * factor
    return _at_most_one(y), {"impulses": count}


def stationary(
    x: Signal, c: RawBoostOptions, sample_rate: int, rng: np.random.Generator
) -> tuple[Signal, dict[str, Any]]:
    """Stationary, signal-independent additive noise (SSI).

    White Gaussian noise through a notch filter, added at an SNR from U(snr) in dB (ratio of
    energies over the clip). The result is not scaled, as in the paper.

    Returns:
        (n,) samples, and the SNR in dB.
    """
    taps, _ = notch_filter(c, c.gain, sample_rate, rng)
    noise = _filtered(rng.standard_normal(x.size), taps)
    snr = float(rng.uniform(*c.snr))
    scale = np.linalg.norm(x) / np.linalg.norm(noise) * 10.0 ** (-snr / 20.0)
    return x + scale * noise, {"snr": snr}


def _filtered(x: Signal, taps: Signal) -> Signal:
    """Zero-delay filtering with symmetric taps, (n,) to (n,)."""
    half = taps.size // 2
    filtered: Signal = oaconvolve(x, taps)[half : half + x.size]
    return filtered


class RawBoost(Effect):
    """RawBoost, algorithms 1 to 8.

    The parameters that are reported are gains, counts and SNRs; the stop bands follow from the
    seed.
    """

    name: ClassVar[str] = "rawboost"
    declared = RawBoostOptions
    options: RawBoostOptions

    def __init__(
        self, options: Mapping[str, Any], sources: Mapping[str, Path], sample_rate: int
    ) -> None:
        super().__init__(options, sources, sample_rate)
        _check_rate(self.options, sample_rate)

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Boost (n,) samples.

        Returns:
            The boosted signal; algorithm, and gains (dB per order), impulses (samples touched) and
            snr (dB) as far as the algorithm has them.
        """
        c, rate = self.options, self._sample_rate
        y = x.astype(np.float64)
        used: dict[str, Any] = {"algorithm": c.algorithm}
        if c.algorithm == 8:
            first, drawn = convolutive(y, c, rate, rng)
            second, more = impulsive(y, c, rng)
            y = _at_most_one(first + second)
            return y.astype(np.float32), used | drawn | more
        if c.algorithm in (1, 4, 5, 6):
            y, drawn = convolutive(y, c, rate, rng)
            used |= drawn
        if c.algorithm in (2, 4, 5, 7):
            y, drawn = impulsive(y, c, rng)
            used |= drawn
        if c.algorithm in (3, 4, 6, 7):
            y, drawn = stationary(y, c, rate, rng)
            used |= drawn
        return y.astype(np.float32), used
