"""RawBoost: convolutive, impulsive and stationary coloured noise, without any recordings.

Source: H. Tak, M. Kamble, J. Patino, M. Todisco, N. Evans, "RawBoost: A raw data boosting and
augmentation method applied to automatic speaker verification anti-spoofing", ICASSP 2022. The
default constants are the published ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.signal import firwin, oaconvolve

from spoofscope.audio import Samples
from spoofscope.augmentation.base import (
    Effect,
    number_range,
    positive_number,
    whole_number,
    whole_range,
)
from spoofscope.errors import ConfigError
from spoofscope.options import check_keys

Signal = npt.NDArray[np.float64]

_EDGE = 1e-3  # Hz that a stop band keeps from 0 Hz and from the Nyquist frequency
_GRID = 512  # frequencies in [0, Nyquist) at which a filter's peak gain is sought


@dataclass(frozen=True)
class Constants:
    """The constants of the paper, with its symbols in brackets.

    Attributes:
        orders: powers of the signal that are filtered and added [N_f].
        bands: stop bands per filter.
        centre: range of the stop bands' centres, Hz.
        width: range of their widths, Hz.
        taps: range of the lengths of their FIR filters; even draws are made odd.
        gain: range of the gain of the linear part, dB.
        nonlinear_bias: what `gain` loses at its [low, high] end for the powers from 2 up, dB.
        impulses: largest share of samples that impulsive noise touches, percent [P].
        impulse_gain: its scale relative to the sample that it touches [g_sd].
        snr: range of the SNR of the stationary noise, dB.
    """

    orders: int = 5
    bands: int = 5
    centre: tuple[float, float] = (20.0, 8000.0)
    width: tuple[float, float] = (100.0, 1000.0)
    taps: tuple[int, int] = (10, 100)
    gain: tuple[float, float] = (0.0, 0.0)
    nonlinear_bias: tuple[float, float] = (5.0, 20.0)
    impulses: float = 10.0
    impulse_gain: float = 2.0
    snr: tuple[float, float] = (10.0, 40.0)


def _constants(options: Mapping[str, Any], sample_rate: int) -> Constants:
    where = "effect rawboost: "
    checked: dict[str, Any] = {}
    for key, value in options.items():
        if key in ("orders", "bands"):
            checked[key] = whole_number(value, where + key, 1)
        elif key == "taps":
            checked[key] = whole_range(value, where + key, 3)
        elif key in ("impulses", "impulse_gain"):
            checked[key] = positive_number(value, where + key)
        else:
            checked[key] = number_range(value, where + key)
    constants = Constants(**checked)
    if constants.impulses > 100:
        raise ConfigError(f"{where}impulses: more than 100 percent ({constants.impulses})")
    if not 0 <= constants.centre[0] < sample_rate / 2:
        raise ConfigError(f"{where}centre: must begin between 0 Hz and {sample_rate / 2:g} Hz")
    if constants.width[0] <= 2 * _EDGE:
        raise ConfigError(f"{where}width: must be above {2 * _EDGE:g} Hz")
    return constants


def _at_most_one(y: Signal) -> Signal:
    """Scale down to a peak of 1 where the peak is higher."""
    peak = float(np.max(np.abs(y)))
    return y / peak if peak > 1.0 else y


def notch_filter(
    c: Constants, gain: tuple[float, float], sample_rate: int, rng: np.random.Generator
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
    x: Signal, c: Constants, sample_rate: int, rng: np.random.Generator
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


def impulsive(x: Signal, c: Constants, rng: np.random.Generator) -> tuple[Signal, dict[str, Any]]:
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
    x: Signal, c: Constants, sample_rate: int, rng: np.random.Generator
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

    Options:
        algorithm: 1 LnL, 2 ISD, 3 SSI, 4 = 1 then 2 then 3, 5 = 1 then 2, 6 = 1 then 3,
            7 = 2 then 3, 8 = the sum of 1 and 2 (in parallel). Required.
        every field of `Constants`: the constants by name.

    The parameters that are reported are gains, counts and SNRs; the stop bands follow from the
    seed.
    """

    name: ClassVar[str] = "rawboost"

    def __init__(
        self, options: Mapping[str, Any], sources: Mapping[str, Path], sample_rate: int
    ) -> None:
        names = [field.name for field in fields(Constants)]
        check_keys(options, ("algorithm", *names), "effect rawboost")
        if "algorithm" not in options:
            raise ConfigError("effect rawboost: algorithm is missing; give a number from 1 to 8")
        self._algorithm = whole_number(options["algorithm"], "effect rawboost: algorithm", 1, 8)
        constants = {key: value for key, value in options.items() if key != "algorithm"}
        self._constants = _constants(constants, sample_rate)
        self._sample_rate = sample_rate

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Boost (n,) samples.

        Returns:
            The boosted signal; algorithm, and gains (dB per order), impulses (samples touched) and
            snr (dB) as far as the algorithm has them.
        """
        c, rate = self._constants, self._sample_rate
        y = x.astype(np.float64)
        used: dict[str, Any] = {"algorithm": self._algorithm}
        if self._algorithm == 8:
            first, drawn = convolutive(y, c, rate, rng)
            second, more = impulsive(y, c, rng)
            y = _at_most_one(first + second)
            return y.astype(np.float32), used | drawn | more
        if self._algorithm in (1, 4, 5, 6):
            y, drawn = convolutive(y, c, rate, rng)
            used |= drawn
        if self._algorithm in (2, 4, 5, 7):
            y, drawn = impulsive(y, c, rng)
            used |= drawn
        if self._algorithm in (3, 4, 6, 7):
            y, drawn = stationary(y, c, rate, rng)
            used |= drawn
        return y.astype(np.float32), used
