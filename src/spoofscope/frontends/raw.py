"""The fixed sinc filter bank in front of AASIST (Jung et al., ICASSP 2022).

The idea of a convolution by ideal band-pass filters is SincNet's (Ravanelli and Bengio, SLT 2018);
here, as in RawNet2 for anti-spoofing (Tak et al., ICASSP 2021), the filters are not trained.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from spoofscope.errors import AudioError
from spoofscope.frontends.base import Features, FrontEnd
from spoofscope.options.frontends.raw import RawOptions

_SAMPLE_RATE = 16000
_FILTERS = 70
_TAPS = 129
_POOL = 3


def sinc_bank() -> npt.NDArray[np.float32]:
    """Hamming-windowed ideal band-pass filters (70, 129) between 71 mel-spaced edges up to 8 kHz.

    Edges are on the scale 2595 log10(1 + f / 700). Precisions are those that published weights were
    computed with: sinc functions in float32, their difference in float64, the result in float32.
    """
    top = 2595 * np.log10(1 + _SAMPLE_RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, _FILTERS + 1) / 2595) - 1)
    taps = np.arange(_TAPS, dtype=np.float32) - np.float32((_TAPS - 1) / 2)
    # (71, 129): the ideal low-pass filter below each edge.
    arguments = (2 * edges).astype(np.float32)[:, None] * taps / np.float32(_SAMPLE_RATE)
    low_pass = (2 * edges / _SAMPLE_RATE)[:, None] * np.sinc(arguments)
    band_pass = np.diff(low_pass, axis=0).astype(np.float32)
    result: npt.NDArray[np.float32] = np.hamming(_TAPS).astype(np.float32) * band_pass
    return result


class SincBank(FrontEnd):
    """Magnitudes of a sinc filter bank, max-pooled over 3 filters by 3 samples.

    Values (B, 1, N, 23) with N = (n_samples - 128) // 3: bands from low to high, one frame every
    0.1875 ms. There is nothing to train and no option. The features are eight times as large as the
    waveform and quickly computed, so they are never cached.
    """

    name = "raw"
    declared = RawOptions
    options: RawOptions
    channel_axis = "channel"
    dim_axis = "band"
    filters: Tensor

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.sample_rate = _SAMPLE_RATE
        self.n_channels = 1
        self.dim = _FILTERS // _POOL
        self.hop_seconds = _POOL / _SAMPLE_RATE
        # A frame sees three neighbouring outputs of the filters.
        self.first_centre_seconds = (_TAPS + _POOL - 1) / 2 / _SAMPLE_RATE
        bank = torch.from_numpy(sinc_bank())[:, None]
        self.register_buffer("filters", bank, persistent=False)

    def n_frames(self, n_samples: int) -> int:
        """(n_samples - 128) // 3."""
        return max(0, (n_samples - _TAPS + 1) // _POOL)

    def raw(self, waveform: Tensor, lengths: Tensor) -> Features:
        """Bands (B, 1, N, 23) of waveforms (B, n_samples); see the base class.

        Raises:
            AudioError: a row is too short for one frame.
        """
        shortest = int(lengths.min())
        if self.n_frames(shortest) < 1:
            raise AudioError(
                f"a clip of {shortest} samples is too short for front-end raw, which needs "
                f"{_TAPS + _POOL - 1}: lengthen it, or raise the input policy's min_samples"
            )
        filtered = functional.conv1d(waveform[:, None, : int(lengths.max())], self.filters)
        bands = functional.max_pool2d(filtered.abs()[:, None], _POOL)  # (B, 1, 23, N)
        return Features(bands.transpose(2, 3), (lengths - _TAPS + 1) // _POOL)
