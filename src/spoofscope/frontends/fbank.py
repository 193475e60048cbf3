"""Logarithmic energies of frequency bands: a filter bank, the usual input of small networks."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from spoofscope.components import one_of, positive_int, positive_number, resolve
from spoofscope.frontends.base import Features
from spoofscope.frontends.filters import filter_bank, filter_edges
from spoofscope.frontends.spectral import SpectralFrontEnd, Standardisation, standardise_clips
from spoofscope.frontends.stft import n_spectra, power_spectra

_OWNER = "front-end fbank"


class FilterBank(SpectralFrontEnd):
    """Logarithmic energies of triangular filters on a power spectrogram.

    Periodic Hann window as long as the transform, centred frames, reflection at the ends, filters
    of height 1, ln(x + `log_offset`). Values (B, 1, N, D) with D = `bands`, lowest first, and N =
    1 + n_samples // hop for even n_fft.

    Options:
        sample_rate: Hz.
        n_fft: samples of the window and of the Fourier transform.
        hop: samples from frame to frame.
        bands: how many filters.
        scale: "linear": filters equally wide in Hz; "mel": equally wide in mel, so that most of
            them lie at low frequencies.
        f_min, f_max: Hz, lower edge of the first and upper edge of the last filter (f_max None:
            half the sample rate).
        log_offset: what is added to the energies before the logarithm.
        normalise: zero mean and unit variance per band: "band" over the training set; "utterance"
            over the clip's own frames, which takes the microphone's response away with the
            average spectrum; "none" leaves the logarithms as they are.
    """

    name = "fbank"
    dim_axis = "band"
    filters: Tensor
    window: Tensor

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.config = resolve(
            config,
            {
                "sample_rate": 16000,
                "n_fft": 512,
                "hop": 160,
                "bands": 80,
                "scale": "linear",
                "f_min": 0.0,
                "f_max": None,
                "log_offset": 1e-6,
                "normalise": "band",
            },
            _OWNER,
        )
        self.sample_rate = positive_int(self.config, "sample_rate", _OWNER)
        self.n_fft = positive_int(self.config, "n_fft", _OWNER)
        self.hop = positive_int(self.config, "hop", _OWNER)
        self.dim = positive_int(self.config, "bands", _OWNER)
        self.log_offset = positive_number(self.config, "log_offset", _OWNER)
        scale = one_of(self.config, "scale", ("linear", "mel"), _OWNER)
        self.normalisation = one_of(self.config, "normalise", ("band", "utterance", "none"), _OWNER)

        self.n_channels = 1
        self.hop_seconds = self.hop / self.sample_rate
        self.first_centre_seconds = 0.0
        self._edges = filter_edges(self.config, scale, self.dim + 2, _OWNER)
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
