"""Linear-frequency cepstral coefficients (Sahidullah et al., Interspeech 2015).

Defaults are those of WaveFake (Frank and Schönherr, NeurIPS Datasets and Benchmarks 2021).
"""

from collections.abc import Mapping
from typing import Any

import torch
import torchaudio
from torch import Tensor
from torch.nn import functional

from spoofscope.batches import valid_mask
from spoofscope.components import one_of, positive_int, resolve
from spoofscope.errors import ConfigError
from spoofscope.frontends.base import Features
from spoofscope.frontends.spectral import SpectralFrontEnd, Standardisation

_OWNER = "front-end lfcc"
_LOG_OFFSET = 1e-6
_FRAMES_AT_ONCE = 16384
_DELTA_WINDOW = 5


class LFCC(SpectralFrontEnd):
    """Cepstra of a power spectrogram on linear triangular filters, with deltas.

    Power spectrogram (periodic Hann window, centred, reflect padding), `n_filters` triangular
    filters, ln(x + 1e-6), orthonormal DCT-II; then the first and second differences over a window
    of 5 frames with the edge frames repeated. Values (B, 1, N, D) with N = 1 + n_samples // hop and
    D = `n_coefficients`, times three with deltas, in the order static, delta, double delta.

    Options:
        sample_rate: Hz.
        n_fft: samples of the Fourier transform.
        win: samples of the window, at most n_fft (None: n_fft).
        hop: samples from frame to frame.
        n_filters, n_coefficients: filters, and cepstra kept of them (at most as many).
        f_min, f_max: Hz, lower edge of the first and upper edge of the last filter (f_max None:
            half the sample rate).
        deltas: whether to append first and second differences.
        normalise: "none"; "global": zero mean and unit variance per coefficient over the training
            set; "utterance": over the clip's own frames (CMVN).
    """

    name = "lfcc"
    dim_axis = "cepstrum"
    filters: Tensor
    dct: Tensor
    window: Tensor

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
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
                "deltas": True,
                "normalise": "none",
            },
            _OWNER,
        )
        sizes = {"win": self.config["n_fft"]} if self.config["win"] is None else {}
        sizes = {**self.config, **sizes}
        self.sample_rate = positive_int(sizes, "sample_rate", _OWNER)
        self.n_fft = positive_int(sizes, "n_fft", _OWNER)
        win = positive_int(sizes, "win", _OWNER)
        self.hop = positive_int(sizes, "hop", _OWNER)
        n_filters = positive_int(sizes, "n_filters", _OWNER)
        n_coefficients = positive_int(sizes, "n_coefficients", _OWNER)
        if win > self.n_fft:
            raise ConfigError(f"{_OWNER}: win {win} exceeds n_fft {self.n_fft}")
        if n_coefficients > n_filters:
            raise ConfigError(
                f"{_OWNER}: {n_coefficients} coefficients of {n_filters} filters do not exist"
            )
        self.deltas = bool(one_of(self.config, "deltas", (True, False), _OWNER))
        self.normalisation = one_of(
            self.config, "normalise", ("none", "global", "utterance"), _OWNER
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

    def _filter_bank(self, n_filters: int) -> Tensor:
        nyquist = self.sample_rate / 2
        f_min = self.config["f_min"]
        f_max = nyquist if self.config["f_max"] is None else self.config["f_max"]
        if not 0 <= f_min < f_max <= nyquist:
            raise ConfigError(
                f"{_OWNER}: f_min {f_min} and f_max {f_max} must lie, in this order, "
                f"between 0 and {nyquist:g} Hz"
            )
        bank: Tensor = torchaudio.functional.linear_fbanks(
            self.n_fft // 2 + 1, float(f_min), float(f_max), n_filters, self.sample_rate
        )
        if (bank.sum(dim=0) == 0).any():
            raise ConfigError(
                f"{_OWNER}: {n_filters} filters between {f_min:g} and {f_max:g} Hz are narrower "
                f"than the bins of n_fft {self.n_fft}: use fewer filters or a larger n_fft"
            )
        return bank

    def n_frames(self, n_samples: int) -> int:
        """1 + n_samples // hop; 0 where the clip is too short to be reflected by n_fft // 2."""
        return 1 + n_samples // self.hop if n_samples > self.n_fft // 2 else 0

    def transform(self, waveform: Tensor) -> Tensor:
        """Cepstra (B, 1, N, D) of clips (B, n_samples) without padding."""
        edge = self.n_fft // 2
        padded = functional.pad(waveform[:, None], (edge, edge), mode="reflect")[:, 0]
        n_frames = 1 + waveform.shape[1] // self.hop
        parts = []
        # Spectra are an order of magnitude larger than cepstra: an hour's would be gigabytes.
        for start in range(0, n_frames, _FRAMES_AT_ONCE):
            end = min(start + _FRAMES_AT_ONCE, n_frames)
            spectrum = torch.stft(
                padded[:, start * self.hop : (end - 1) * self.hop + self.n_fft],
                self.n_fft,
                hop_length=self.hop,
                win_length=len(self.window),
                window=self.window,
                center=False,
                return_complex=True,
            )
            power = spectrum.real.square() + spectrum.imag.square()
            energies = power.transpose(1, 2) @ self.filters
            parts.append((energies + _LOG_OFFSET).log() @ self.dct)
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
