"""Banks of triangular filters on a power spectrogram, equally wide in Hz or in mel."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spoofscope.errors import ConfigError
from spoofscope.options.frontends.filters import FilterOptions

Scale = Literal["linear", "mel"]


def filter_edges(options: FilterOptions, scale: Scale, n: int) -> npt.NDArray[np.float64]:
    """n frequencies in Hz from `f_min` to `f_max`, equally spaced on the scale.

    Mel are 2595 log10(1 + f / 700). Filter m of a bank rises from edge m to edge m + 1 and falls to
    edge m + 2.

    Args:
        options: with `f_min` and `f_max` (None: half the sample rate) in Hz, and `sample_rate`.
        scale: "linear" or "mel".
        n: how many edges: filters + 2.
    """
    f_min = options.f_min
    f_max = options.sample_rate / 2 if options.f_max is None else options.f_max
    if scale == "linear":
        return np.linspace(float(f_min), float(f_max), n)
    lowest, highest = 2595 * np.log10(1 + np.array([f_min, f_max], dtype=np.float64) / 700)
    mel = np.linspace(lowest, highest, n)
    return np.asarray(700 * (10 ** (mel / 2595) - 1))


def filter_bank(edges: npt.NDArray[np.float64], n_fft: int, sample_rate: int, owner: str) -> Tensor:
    """Triangles (n_fft // 2 + 1, filters) of height 1, float32.

    torchaudio has the same for even transforms only: the last bin of an odd one lies below half
    the sample rate.

    Args:
        edges: (filters + 2,) in Hz, see `filter_edges`.
        n_fft: samples of the Fourier transform, odd or even.
        sample_rate: Hz.
        owner: what the filters belong to, for messages.

    Raises:
        ConfigError: a filter is narrower than the bins of the transform, and would be empty.
    """
    bins = np.arange(n_fft // 2 + 1)[:, None] * (sample_rate / n_fft)
    widths = np.diff(edges)
    rising, falling = (bins - edges[:-2]) / widths[:-1], (edges[2:] - bins) / widths[1:]
    bank = np.minimum(rising, falling).clip(min=0)
    if (bank.sum(axis=0) == 0).any():
        raise ConfigError(
            f"{owner}: {bank.shape[1]} filters between {edges[0]:g} and {edges[-1]:g} Hz are "
            f"narrower than the bins of n_fft {n_fft}: use fewer filters or a larger n_fft"
        )
    return torch.from_numpy(bank).float()
