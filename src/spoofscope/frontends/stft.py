"""Short-time Fourier spectra as features, the rival of wavelet packets.

Defaults are those of Gasenzer and Wolter (TMLR 2024).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from spoofscope.frontends.spectral import SpectralFrontEnd, Standardisation
from spoofscope.options.frontends.stft import STFTOptions

_LOG_OFFSET = 1e-12
_FRAMES_AT_ONCE = 16384


def n_spectra(n_samples: int, n_fft: int, hop: int) -> int:
    """Spectra that `power_spectra` makes; 0 where the clip is too short to be reflected."""
    return 1 + (n_samples - n_fft % 2) // hop if n_samples > n_fft // 2 else 0


def power_spectra(waveform: Tensor, window: Tensor, n_fft: int, hop: int) -> Iterator[Tensor]:
    """Power spectra |X|^2 of centred frames of clips, not scaled.

    Frame i is centred at sample i * hop; beyond its ends a clip is reflected by n_fft // 2. They
    come in parts, as the spectra of an hour would be gigabytes.

    Args:
        waveform: (B, n_samples), without padding.
        window: (win,), centred in frames of n_fft samples.
        n_fft: samples of the Fourier transform, odd or even.
        hop: samples from frame to frame.

    Yields:
        (B, frames, n_fft // 2 + 1), lowest frequency first.
    """
    edge = n_fft // 2
    padded = functional.pad(waveform[:, None], (edge, edge), mode="reflect")[:, 0]
    n_frames = n_spectra(waveform.shape[1], n_fft, hop)
    for start in range(0, n_frames, _FRAMES_AT_ONCE):
        end = min(start + _FRAMES_AT_ONCE, n_frames)
        spectrum = torch.stft(
            padded[:, start * hop : (end - 1) * hop + n_fft],
            n_fft,
            hop_length=hop,
            win_length=len(window),
            window=window.to(waveform.dtype),
            center=False,
            return_complex=True,
        )
        yield (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2)


class STFT(SpectralFrontEnd):
    """Logarithmic magnitudes of the short-time Fourier transform.

    Periodic Hann window as long as the transform, centred frames, reflection at the ends. Values
    (B, 1, T, n_fft // 2 + 1), low frequency first: bin k is centred at k * sample_rate / n_fft Hz.
    """

    name = "stft"
    declared = STFTOptions
    options: STFTOptions
    dim_axis = "band"

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.sample_rate = self.options.sample_rate
        self.n_fft = self.options.n_fft
        self.hop = self.options.hop
        self.log_scale = self.options.log_scale
        self.power = self.options.power

        self.n_channels = 1
        self.dim = self.n_fft // 2 + 1
        self.hop_seconds = self.hop / self.sample_rate
        self.first_centre_seconds = 0.0
        if self.options.normalise == "global":
            self.statistics = Standardisation(axis=1, size=1)
        elif self.options.normalise == "band":
            self.statistics = Standardisation(axis=3, size=self.dim)

    def band_edges(self) -> list[float]:
        """Half-way between the frequencies of the bins, from 0 to half the sample rate, in Hz."""
        middle = [(k + 0.5) * self.sample_rate / self.n_fft for k in range(self.dim - 1)]
        return [0.0, *middle, self.sample_rate / 2]

    def n_frames(self, n_samples: int) -> int:
        """T = 1 + (n_samples - n_fft % 2) // hop; 0 for clips of at most n_fft // 2 samples."""
        return n_spectra(n_samples, self.n_fft, self.hop)

    def transform(self, waveform: Tensor) -> Tensor:
        """Features (B, 1, T, bins) of clips (B, n_samples) without padding."""
        # In the precision of the waveform, as networks of others had it: beside loud bins, silent
        # ones hold the rounding of the window.
        window = torch.hann_window(self.n_fft, dtype=waveform.dtype, device=waveform.device)
        parts = []
        for spectra in power_spectra(waveform, window, self.n_fft, self.hop):
            magnitudes = spectra if self.power == 2.0 else spectra.pow(self.power / 2)
            parts.append((magnitudes + _LOG_OFFSET).log() if self.log_scale else magnitudes)
        return torch.cat(parts, dim=1)[:, None]
