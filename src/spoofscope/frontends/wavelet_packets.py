"""Wavelet packets (Coifman and Wickerhauser, 1992) as features for deepfake detection.

After Wolter, Blanke, Heese and Garcke (Machine Learning, 2022) and Gasenzer and Wolter (TMLR 2024).
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pywt
import torch
from torch import Tensor
from torch.nn import functional

from spoofscope.components import one_of, positive_int, resolve
from spoofscope.errors import ConfigError
from spoofscope.frontends.spectral import SpectralFrontEnd, Standardisation

_OWNER = "front-end wavelet_packets"
_LOG_OFFSET = 1e-12


@cache
def _filters(wavelet: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Low-pass and high-pass analysis filters, reversed, as a correlation takes them."""
    if wavelet not in pywt.wavelist(kind="discrete"):
        raise ConfigError(
            f"{_OWNER}: {wavelet!r} is no discrete wavelet of PyWavelets, "
            "such as haar, sym5, db8 or coif4"
        )
    low, high = pywt.Wavelet(wavelet).filter_bank[:2]
    return tuple(low[::-1]), tuple(high[::-1])


def filter_length(wavelet: str) -> int:
    """Taps of a wavelet's analysis filters.

    Raises:
        ConfigError: PyWavelets has no such discrete wavelet.
    """
    return len(_filters(wavelet)[0])


def _pads(n: int, taps: int) -> tuple[int, int]:
    left = (2 * taps - 3) // 2
    return left, left + n % 2


def n_steps(n_samples: int, wavelet: str, level: int) -> int:
    """Coefficients per packet, T, of a clip; 0 where it is too short to be reflected.

    A level makes floor((n + L - 1) / 2) of n, with filters of L taps.
    """
    taps = filter_length(wavelet)
    n = n_samples
    for _ in range(level):
        if n <= _pads(n, taps)[1]:
            return 0
        n = (n + taps - 1) // 2
    return n


def packets(waveform: Tensor, wavelet: str, level: int) -> Tensor:
    """Wavelet packet coefficients of all nodes of one level, in the order of frequency.

    The signal is continued at both ends by whole-sample reflection, at every level. Equal to
    PyWavelets' `WaveletPacket` with mode "reflect" and order "freq".

    Args:
        waveform: (B, n_samples), without padding, float32 or float64.
        wavelet: a discrete wavelet of PyWavelets.
        level: decompositions; each halves the bands and the time steps.

    Returns:
        (B, 2**level, T), lowest band first: band k holds about k to k + 1 times
        sample_rate / 2**(level + 1) Hz.

    Raises:
        ConfigError: no such wavelet.
    """
    low, high = _filters(wavelet)
    taps = len(low)
    filters = waveform.new_tensor([low, high])
    nodes = waveform[:, None]
    for _ in range(level):
        n = nodes.shape[2]
        padded = functional.pad(nodes, _pads(n, taps), mode="reflect")
        # (B, nodes, T, taps) @ (taps, 2): a correlation with stride 2.
        halves = padded.unfold(2, taps, 2) @ filters.T
        # A high-pass output is sampled with its band mirrored, so the children of every other node
        # come in reverse: this is the Gray code order.
        halves[:, 1::2] = halves[:, 1::2].flip(-1)
        nodes = halves.transpose(2, 3).flatten(1, 2)
    return nodes


class WaveletPackets(SpectralFrontEnd):
    """Logarithmic magnitudes of wavelet packet coefficients.

    Values (B, C, T, bands), low band first: ln(|c|**power + 1e-12) in channel 0 and, with
    `sign_channel`, the sign of c (+1 for c >= 0, else -1) in channel 1. The filters have no
    symmetry in time; a frame's centre is that of its support. The reflection at the ends adds
    frames, so the first centre lies before the start of the clip for filters of more than 3 taps.

    Options:
        sample_rate: Hz.
        wavelet: a discrete wavelet of PyWavelets.
        level: decompositions, giving 2**level bands and a hop of 2**level samples.
        log_scale: whether to take logarithms; otherwise channel 0 holds the coefficients as they
            are, signs included.
        power: of the magnitude, under the logarithm.
        sign_channel: whether there is a channel of signs; needs `log_scale`.
        normalise: "global": zero mean and unit variance per channel over the training set, over all
            frames and bands, as published; "band": per band, which takes the slope of the spectrum
            away and lets small training sets converge sooner; needs a single channel; "none".
    """

    name = "wavelet_packets"
    dim_axis = "band"

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.config = resolve(
            config,
            {
                "sample_rate": 16000,
                "wavelet": "sym5",
                "level": 8,
                "log_scale": True,
                "power": 2.0,
                "sign_channel": False,
                "normalise": "global",
            },
            _OWNER,
        )
        self.sample_rate = positive_int(self.config, "sample_rate", _OWNER)
        self.level = positive_int(self.config, "level", _OWNER)
        self.wavelet = str(self.config["wavelet"])
        self.log_scale = bool(one_of(self.config, "log_scale", (True, False), _OWNER))
        self.sign_channel = bool(one_of(self.config, "sign_channel", (True, False), _OWNER))
        power = self.config["power"]
        if not isinstance(power, int | float) or not power > 0:
            raise ConfigError(f"{_OWNER}: power must be positive, not {power!r}")
        self.power = float(power)
        if self.sign_channel and not self.log_scale:
            raise ConfigError(
                f"{_OWNER}: sign_channel needs log_scale; plain coefficients have signs already"
            )
        normalise = one_of(self.config, "normalise", ("global", "band", "none"), _OWNER)
        if normalise == "band" and self.sign_channel:
            raise ConfigError(f"{_OWNER}: normalise: band does not go with sign_channel")

        step = 2**self.level
        self.n_channels = 2 if self.sign_channel else 1
        self.dim = step
        self.hop_seconds = step / self.sample_rate
        # One level centres coefficient i at 2 i - (L - 3) / 2 of its input.
        centre = -(filter_length(self.wavelet) - 3) / 2 * (step - 1)
        self.first_centre_seconds = centre / self.sample_rate
        if normalise == "global":
            self.statistics = Standardisation(axis=1, size=self.n_channels)
        elif normalise == "band":
            self.statistics = Standardisation(axis=3, size=self.dim)

    def band_edges(self) -> list[float]:
        """Bands of equal width up to half the sample rate, in Hz."""
        return [k * self.sample_rate / 2 / self.dim for k in range(self.dim + 1)]

    def n_frames(self, n_samples: int) -> int:
        """T of `n_steps`."""
        return n_steps(n_samples, self.wavelet, self.level)

    def transform(self, waveform: Tensor) -> Tensor:
        """Features (B, C, T, bands) of clips (B, n_samples) without padding."""
        coefficients = packets(waveform, self.wavelet, self.level).transpose(1, 2)
        if not self.log_scale:
            return coefficients[:, None]
        channels = [(coefficients.abs().pow(self.power) + _LOG_OFFSET).log()]
        if self.sign_channel:
            channels.append(torch.where(coefficients >= 0, 1.0, -1.0).to(coefficients.dtype))
        return torch.stack(channels, dim=1)
