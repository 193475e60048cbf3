"""Cepstra of filter banks: what linear and mel-frequency cepstral coefficients share.

Defaults are those of WaveFake (Frank and Schönherr, NeurIPS Datasets and Benchmarks 2021).
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torchaudio
from torch import Tensor

from spoofscope.batches import valid_mask
from spoofscope.components import one_of, positive_int, resolve
from spoofscope.errors import ConfigError
from spoofscope.frontends.base import Features
from spoofscope.frontends.spectral import SpectralFrontEnd, Standardisation
from spoofscope.frontends.stft import n_spectra, power_spectra

_DELTA_WINDOW = 5


class CepstralFrontEnd(SpectralFrontEnd):
    """Cepstra of a power spectrogram on triangular filters, with deltas.

    Power spectrogram (periodic Hann window, centred, reflect padding), `n_filters` triangular
    filters, ln(x + `log_offset`), orthonormal DCT-II; then the first and second differences over a
    window of 5 frames with the edge frames repeated. Values (B, 1, N, D), with N = 1 + n_samples //
    hop for even n_fft, and D = `n_coefficients`, times three with deltas, in the order static,
    delta, double delta.

    Options:
        sample_rate: Hz.
        n_fft: samples of the Fourier transform.
        win: samples of the window, at most n_fft (None: n_fft).
        hop: samples from frame to frame.
        n_filters, n_coefficients: filters, and cepstra kept of them (at most as many).
        f_min, f_max: Hz, lower edge of the first and upper edge of the last filter (f_max None:
            half the sample rate).
        log_offset: what is added to the filters' energies before the logarithm.
        deltas: whether to append first and second differences.
        normalise: "none"; "global": zero mean and unit variance per coefficient over the training
            set; "utterance": over the clip's own frames (CMVN).
    """

    dim_axis = "cepstrum"
    filters: Tensor
    dct: Tensor
    window: Tensor

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._owner = f"front-end {self.name}"
        self.config = resolve(
            config,
            {
                "sample_rate": 16000,
                "n_fft": 512,
                "win": None,
                "hop": 256,
                "n_filters": 20,
                "n_coefficients": 20,
                "f_min": 0.0,
                "f_max": None,
                "log_offset": 1e-6,
                "deltas": True,
                "normalise": "none",
            },
            self._owner,
        )
        sizes = {"win": self.config["n_fft"]} if self.config["win"] is None else {}
        sizes = {**self.config, **sizes}
        self.sample_rate = positive_int(sizes, "sample_rate", self._owner)
        self.n_fft = positive_int(sizes, "n_fft", self._owner)
        win = positive_int(sizes, "win", self._owner)
        self.hop = positive_int(sizes, "hop", self._owner)
        n_filters = positive_int(sizes, "n_filters", self._owner)
        n_coefficients = positive_int(sizes, "n_coefficients", self._owner)
        if win > self.n_fft:
            raise ConfigError(f"{self._owner}: win {win} exceeds n_fft {self.n_fft}")
        if n_coefficients > n_filters:
            raise ConfigError(
                f"{self._owner}: {n_coefficients} coefficients of {n_filters} filters do not exist"
            )
        self.log_offset = self.config["log_offset"]
        if not isinstance(self.log_offset, int | float) or not self.log_offset > 0:
            raise ConfigError(
                f"{self._owner}: log_offset must be positive, not {self.log_offset!r}"
            )
        self.deltas = bool(one_of(self.config, "deltas", (True, False), self._owner))
        self.normalisation = one_of(
            self.config, "normalise", ("none", "global", "utterance"), self._owner
        )

        self.n_channels = 1
        self.dim = n_coefficients * (3 if self.deltas else 1)
        self.hop_seconds = self.hop / self.sample_rate
        self.first_centre_seconds = 0.0
        self.register_buffer("filters", self._filter_bank(n_filters), persistent=False)
        dct = torchaudio.functional.create_dct(n_coefficients, n_filters, norm="ortho")
        self.register_buffer("dct", dct, persistent=False)
        self.register_buffer("window", torch.hann_window(win), persistent=False)
        if self.normalisation == "global":
            self.statistics = Standardisation(axis=3, size=self.dim)

    @abstractmethod
    def edges(self, f_min: float, f_max: float, n: int) -> npt.NDArray[np.float64]:
        """n frequencies in Hz from f_min to f_max, equally spaced on the filters' scale.

        Filter m rises from edge m to edge m + 1 and falls to edge m + 2.
        """

    def _filter_bank(self, n_filters: int) -> Tensor:
        """Triangles (n_fft // 2 + 1, n_filters) of height 1."""
        nyquist = self.sample_rate / 2
        f_min = self.config["f_min"]
        f_max = nyquist if self.config["f_max"] is None else self.config["f_max"]
        if not 0 <= f_min < f_max <= nyquist:
            raise ConfigError(
                f"{self._owner}: f_min {f_min} and f_max {f_max} must lie, in this order, "
                f"between 0 and {nyquist:g} Hz"
            )
        edges = self.edges(float(f_min), float(f_max), n_filters + 2)
        # The last bin of an odd transform lies below half the sample rate.
        bins = np.arange(self.n_fft // 2 + 1)[:, None] * (self.sample_rate / self.n_fft)
        widths = np.diff(edges)
        rising, falling = (bins - edges[:-2]) / widths[:-1], (edges[2:] - bins) / widths[1:]
        bank = np.minimum(rising, falling).clip(min=0)
        if (bank.sum(axis=0) == 0).any():
            raise ConfigError(
                f"{self._owner}: {n_filters} filters between {f_min:g} and {f_max:g} Hz are "
                f"narrower than the bins of n_fft {self.n_fft}: use fewer filters or a larger n_fft"
            )
        return torch.from_numpy(bank).float()

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
            return _cmvn(features)
        return super().normalise(features)


def _delta(frames: Tensor) -> Tensor:
    """Regression slopes over 5 frames: (B, N, D) -> (B, N, D)."""
    slopes: Tensor = torchaudio.functional.compute_deltas(
        frames.transpose(1, 2), win_length=_DELTA_WINDOW, mode="replicate"
    )
    return slopes.transpose(1, 2)


def _cmvn(features: Features) -> Features:
    """Zero mean and unit variance per clip and coefficient, over the valid frames."""
    values, lengths = features
    valid = valid_mask(lengths, values.shape[2])[:, None, :, None]
    count = lengths[:, None, None, None]
    mean = values.masked_fill(~valid, 0.0).sum(dim=2, keepdim=True) / count
    centred = (values - mean).masked_fill(~valid, 0.0)
    std = (centred.square().sum(dim=2, keepdim=True) / count).sqrt()
    # A clip of digital silence has the same cepstra in all frames: leave it at zero.
    return Features(centred / std.clamp(min=1e-3), lengths)
