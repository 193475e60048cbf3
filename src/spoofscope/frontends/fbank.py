"""Logarithmic energies of frequency bands: a filter bank, the usual input of small networks."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from spoofscope.frontends.base import Features
from spoofscope.frontends.filters import filter_bank, filter_edges
from spoofscope.frontends.spectral import SpectralFrontEnd, Standardisation, standardise_clips
from spoofscope.frontends.stft import n_spectra, power_spectra
from spoofscope.options.frontends.fbank import FilterBankOptions

_OWNER = "front-end fbank"


class FilterBank(SpectralFrontEnd):
    """Logarithmic energies of triangular filters on a power spectrogram.

    Periodic Hann window as long as the transform, centred frames, reflection at the ends, filters
    of height 1, ln(x + `log_offset`). Values (B, 1, N, D) with D = `bands`, lowest first, and N =
    1 + n_samples // hop for even n_fft.
    """

    name = "fbank"
    declared = FilterBankOptions
    options: FilterBankOptions
    dim_axis = "band"
    filters: Tensor
    window: Tensor

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.sample_rate = self.options.sample_rate
        self.n_fft = self.options.n_fft
        self.hop = self.options.hop
        self.dim = self.options.bands
        self.log_offset = self.options.log_offset
        self.normalisation = self.options.normalise

        self.n_channels = 1
        self.hop_seconds = self.hop / self.sample_rate
        self.first_centre_seconds = 0.0
        self._edges = filter_edges(self.options, self.options.scale, self.dim + 2)
        filters = filter_bank(self._edges, self.n_fft, self.sample_rate, _OWNER)
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("window", torch.hann_window(self.n_fft), persistent=False)
        if self.normalisation == "band":
            self.statistics = Standardisation(axis=3, size=self.dim)

    def band_edges(self) -> list[float]:
        """Where neighbouring filters cross, in Hz; at both ends, where the outer filters end."""
        peaks = self._edges[1:-1]
        crossings = (peaks[:-1] + peaks[1:]) / 2
        return [float(self._edges[0]), *crossings.tolist(), float(self._edges[-1])]

    def n_frames(self, n_samples: int) -> int:
        """1 + n_samples // hop (one sample less where n_fft is odd); 0 for too short a clip."""
        return n_spectra(n_samples, self.n_fft, self.hop)

    def transform(self, waveform: Tensor) -> Tensor:
        """Features (B, 1, N, D) of clips (B, n_samples) without padding."""
        parts = [
            (power @ self.filters + self.log_offset).log()
            for power in power_spectra(waveform, self.window, self.n_fft, self.hop)
        ]
        return torch.cat(parts, dim=1)[:, None]

    def normalise(self, features: Features) -> Features:
        """What the option `normalise` says."""
        if self.normalisation == "utterance":
            return standardise_clips(features)
        return super().normalise(features)
