"""Wavelet packets (Coifman and Wickerhauser, 1992) as features for deepfake detection.

After Wolter, Blanke, Heese and Garcke (Machine Learning, 2022) and Gasenzer and Wolter (TMLR 2024).
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pywt
import torch
from torch import Tensor

from spoofscope.errors import AudioError, ConfigError
from spoofscope.frontends.spectral import LargestMagnitude, SpectralFrontEnd, Standardisation
from spoofscope.options.frontends.wavelet_packets import WaveletPacketsOptions

_OWNER = "front-end wavelet_packets"
_LOG_OFFSET = 1e-12

# Steps of a level's output that one row of blocks computes. Fewer make more and smaller matrix
# products, more spend most of their multiplications on zeros; 4 to 16 are about equally fast.
_BLOCK = 8

# Which of n samples stands at position p outside of 0 ... n - 1.
_BOUNDARIES: dict[str, Callable[[Tensor, int], Tensor] | None] = {
    "reflect": lambda p, n: torch.minimum(p % (2 * n - 2), -p % (2 * n - 2)),
    "symmetric": lambda p, n: torch.minimum(p % (2 * n), (-p - 1) % (2 * n)),
    "periodic": lambda p, n: p % n,
    "constant": lambda p, n: p.clamp(0, n - 1),
    "zero": None,
}


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
    """Coefficients per packet, T, of a clip; 0 where it is no longer than its continuation.

    A level makes floor((n + L - 1) / 2) of n, with filters of L taps, and continues the signal by
    L - 2 or L - 1 samples at either end, which have to be there to be reflected.
    """
    taps = filter_length(wavelet)
    n = n_samples
    for _ in range(level):
        if n <= _pads(n, taps)[1]:
            return 0
        n = (n + taps - 1) // 2
    return n


def _continued(signal: Tensor, taps: int, boundary: str, n: int) -> Tensor:
    """A signal (time, columns) continued at both ends, and then with zeros to `n` samples."""
    n_signal, n_columns = signal.shape
    left, right = _pads(n_signal, taps)
    source = _BOUNDARIES[boundary]
    if source is None:
        before, after = signal.new_zeros(left, n_columns), signal.new_zeros(right, n_columns)
    else:
        before = signal[source(torch.arange(-left, 0, device=signal.device), n_signal)]
        behind = torch.arange(n_signal, n_signal + right, device=signal.device)
        after = signal[source(behind, n_signal)]
    filling = signal.new_zeros(n - left - n_signal - right, n_columns)
    return torch.cat([before, signal, after, filling])


@cache
def _block(wavelet: str) -> tuple[tuple[float, ...], ...]:
    """Both filters at `_BLOCK` successive steps: (2 * _BLOCK, 2 * _BLOCK + taps - 2).

    Times a stretch of signal, these are the next `_BLOCK` low-pass and high-pass outputs, in turn.
    """
    return tuple(
        (0.0,) * 2 * step + taps + (0.0,) * 2 * (_BLOCK - 1 - step)
        for step in range(_BLOCK)
        for taps in _filters(wavelet)
    )


@cache
def _by_frequency(level: int) -> list[int]:
    """The place of every node, from low to high frequency, where the last filter counts most.

    A high-pass output is sampled with its band mirrored, so the children of every other node come
    in reverse: the Gray code order.
    """
    places = [0]
    for bit in range(level):
        children = ([place, place + (1 << bit)] for place in places)
        places = [c for i, pair in enumerate(children) for c in (pair[::-1] if i % 2 else pair)]
    return places


def _check_length(waveform: Tensor, wavelet: str, level: int) -> None:
    if n_steps(waveform.shape[1], wavelet, level) < 1:
        raise AudioError(
            f"a clip of {waveform.shape[1]} samples is too short for {level} levels of {wavelet}, "
            f"whose filters of {filter_length(wavelet)} taps continue it by more than it is long"
        )


def packets(waveform: Tensor, wavelet: str, level: int, boundary: str = "reflect") -> Tensor:
    """Wavelet packet coefficients of all nodes of one level, in the order of frequency.

    Equal to PyWavelets' `WaveletPacket` with the same mode and order "freq", but all nodes of a
    level, and all clips, are filtered at once: time is the first axis and the rest, contiguous, the
    columns of a few matrix products with a block of shifted filters. Nothing is copied to make
    windows, and nodes are sorted by frequency once, at the end.

    Args:
        waveform: (B, n_samples), without padding, float32 or float64.
        wavelet: a discrete wavelet of PyWavelets.
        level: decompositions; each halves the bands and the time steps.
        boundary: how the signal goes on beyond its ends, at every level, by its name in PyWavelets:
            "reflect" (mirrored at the outermost sample), "symmetric" (mirrored behind it),
            "periodic", "constant" (the outermost sample, repeated) or "zero".

    Returns:
        (B, 2**level, T), lowest band first: band k holds about k to k + 1 times
        sample_rate / 2**(level + 1) Hz.

    Raises:
        ConfigError: no such wavelet.
        AudioError: the clips are too short, see `n_steps`.
    """
    _check_length(waveform, wavelet, level)
    block = waveform.new_tensor(_block(wavelet))
    taps = filter_length(wavelet)
    nodes = waveform.T.contiguous()  # (time, nodes so far * B)
    for _ in range(level):
        n_out = (len(nodes) + taps - 1) // 2
        n_blocks = -(-n_out // _BLOCK)
        signal = _continued(nodes, taps, boundary, 2 * _BLOCK * n_blocks + taps - 2)
        stretches = signal.unfold(0, block.shape[1], 2 * _BLOCK).transpose(1, 2)
        halves = torch.bmm(block.expand(n_blocks, -1, -1), stretches)
        nodes = halves.reshape(n_blocks * _BLOCK, 2 * nodes.shape[1])[:n_out]
    by_node = nodes.view(len(nodes), 2**level, -1).permute(2, 0, 1)  # (B, T, nodes)
    order = torch.tensor(_by_frequency(level), device=waveform.device)
    return by_node.index_select(2, order).transpose(1, 2)


def packets_by_ptwt(
    waveform: Tensor, wavelet: str, level: int, boundary: str = "reflect"
) -> Tensor:
    """The same as :func:`packets`, by the PyTorch wavelet toolbox: slower, and the reference.

    The coefficients are equal but for rounding, as both sum in another order.

    Raises:
        AudioError: the clips are too short, see `n_steps`.
    """
    import ptwt

    _check_length(waveform, wavelet, level)
    tree = ptwt.WaveletPacket(waveform, pywt.Wavelet(wavelet), mode=boundary, maxlevel=level)
    return torch.stack([tree[node] for node in tree.get_level(level, "freq")], dim=1)


_IMPLEMENTATIONS = {"spoofscope": packets, "ptwt": packets_by_ptwt}


class WaveletPackets(SpectralFrontEnd):
    """Logarithmic magnitudes of wavelet packet coefficients.

    Values (B, C, T, bands), low band first: ln(|c|**power + 1e-12) in channel 0 and, with
    `sign_channel`, the sign of c (+1 for c >= 0, else -1) in channel 1. The filters have no
    symmetry in time; a frame's centre is that of its support. The reflection at the ends adds
    frames, so the first centre lies before the start of the clip for filters of more than 3 taps.
    """

    name = "wavelet_packets"
    declared = WaveletPacketsOptions
    options: WaveletPacketsOptions
    dim_axis = "band"

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.sample_rate = self.options.sample_rate
        self.level = self.options.level
        self.wavelet = self.options.wavelet
        self.boundary = self.options.boundary
        self.log_scale = self.options.log_scale
        self.sign_channel = self.options.sign_channel
        self.power = self.options.power
        self._packets = _IMPLEMENTATIONS[self.options.implementation]
        normalise = self.options.normalise

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
        elif normalise == "block":
            self.statistics = LargestMagnitude(size=self.dim, logarithmic=self.log_scale)

    def band_edges(self) -> list[float]:
        """Bands of equal width up to half the sample rate, in Hz."""
        return [k * self.sample_rate / 2 / self.dim for k in range(self.dim + 1)]

    def n_frames(self, n_samples: int) -> int:
        """T of `n_steps`."""
        return n_steps(n_samples, self.wavelet, self.level)

    def transform(self, waveform: Tensor) -> Tensor:
        """Features (B, C, T, bands) of clips (B, n_samples) without padding."""
        nodes = self._packets(waveform, self.wavelet, self.level, self.boundary)
        coefficients = nodes.transpose(1, 2)
        if not self.log_scale:
            return coefficients[:, None]
        channels = [(coefficients.abs().pow(self.power) + _LOG_OFFSET).log()]
        if self.sign_channel:
            channels.append(torch.where(coefficients >= 0, 1.0, -1.0).to(coefficients.dtype))
        return torch.stack(channels, dim=1)
