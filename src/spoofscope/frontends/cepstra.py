"""Cepstra of filter banks: what linear and mel-frequency cepstral coefficients share.

Defaults are those of WaveFake (Frank and Schönherr, NeurIPS Datasets and Benchmarks 2021).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torchaudio
from torch import Tensor

from spoofscope.frontends.base import Features
from spoofscope.frontends.filters import Scale, filter_bank, filter_edges
from spoofscope.frontends.spectral import SpectralFrontEnd, Standardisation, standardise_clips
from spoofscope.frontends.stft import n_spectra, power_spectra
from spoofscope.options.frontends.cepstra import CepstralOptions

_DELTA_WINDOW = 5


class CepstralFrontEnd(SpectralFrontEnd):
    """Cepstra of a power spectrogram on triangular filters, with deltas.

    A subclass says on which scale its filters are equally wide.

    Power spectrogram (periodic Hann window, centred, reflect padding), `n_filters` triangular
    filters, ln(x + `log_offset`), orthonormal DCT-II; then the first and second differences over a
    window of 5 frames with the edge frames repeated. Values (B, 1, N, D), with N = 1 + n_samples //
    hop for even n_fft, and D = `n_coefficients`, times three with deltas, in the order static,
    delta, double delta.
    """

    declared = CepstralOptions
    options: CepstralOptions
    dim_axis = "cepstrum"
    scale: ClassVar[Scale]
    filters: Tensor
    dct: Tensor
    window: Tensor

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.sample_rate = self.options.sample_rate
        self.n_fft = self.options.n_fft
        win = self.n_fft if self.options.win is None else self.options.win
        self.hop = self.options.hop
        n_filters, n_coefficients = self.options.n_filters, self.options.n_coefficients
        self.log_offset = self.options.log_offset
        self.deltas = self.options.deltas
        self.normalisation = self.options.normalise

        self.n_channels = 1
        self.dim = n_coefficients * (3 if self.deltas else 1)
        self.hop_seconds = self.hop / self.sample_rate
        self.first_centre_seconds = 0.0
        edges = filter_edges(self.options, self.scale, n_filters + 2)
        filters = filter_bank(edges, self.n_fft, self.sample_rate, f"front-end {self.name}")
        self.register_buffer("filters", filters, persistent=False)
        dct = torchaudio.functional.create_dct(n_coefficients, n_filters, norm="ortho")
        self.register_buffer("dct", dct, persistent=False)
        self.register_buffer("window", torch.hann_window(win), persistent=False)
        if self.normalisation == "global":
            self.statistics = Standardisation(axis=3, size=self.dim)

    def n_frames(self, n_samples: int) -> int:
        """1 + n_samples // hop (one sample less where n_fft is odd); 0 for too short a clip."""
        return n_spectra(n_samples, self.n_fft, self.hop)

    def transform(self, waveform: Tensor) -> Tensor:
        """Cepstra (B, 1, N, D) of clips (B, n_samples) without padding."""
        parts = [
            (power @ self.filters + self.log_offset).log() @ self.dct
            for power in power_spectra(waveform, self.window, self.n_fft, self.hop)
        ]
        cepstra = torch.cat(parts, dim=1)
        if self.deltas:
            first = _delta(cepstra)
            cepstra = torch.cat([cepstra, first, _delta(first)], dim=2)
        return cepstra[:, None]

    def normalise(self, features: Features) -> Features:
        """What the option `normalise` says."""
        if self.normalisation == "utterance":
            return standardise_clips(features)
        return super().normalise(features)


def _delta(frames: Tensor) -> Tensor:
    """Regression slopes over 5 frames: (B, N, D) -> (B, N, D)."""
    slopes: Tensor = torchaudio.functional.compute_deltas(
        frames.transpose(1, 2), win_length=_DELTA_WINDOW, mode="replicate"
    )
    return slopes.transpose(1, 2)
