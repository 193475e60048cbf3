"""The neural watermark of the package resemble-perth ("PERceptual THreshold").

Its weights are a file of the package, which the optional extra `watermark` installs. That file
alone is read. The package itself is never imported, since it needs librosa, and makes folders where
it is installed.
"""

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from spoofscope.audio import Samples, resample
from spoofscope.augmentation.base import Effect
from spoofscope.errors import ConfigError
from spoofscope.files import one_line, sha256_file
from spoofscope.options.effects.watermark import WatermarkOptions
from spoofscope.packages import RESEMBLE_PERTH

_FILE = "perth_net/pretrained/implicit/perth_net_250000.pth.tar"
# Of the file in that version.
_SHA256 = "a15bce457ebc53ce5e6c9c3f11df78cf7ee2bf9cdab0a798902135b4c4027670"

_SAMPLE_RATE, _N_FFT, _HOP = 32000, 2048, 320
# Bins of the spectrum that are marked: those below 2 kHz.
_BINS, _SIZE, _KERNEL, _LAYERS = 128, 256, 7, 5
# Frames softer than that share of the loudest are not marked.
_LEAST = 0.05
# The network sees decibels from -180 to 15 as 0 to 1.
_FLOOR, _RANGE = 1e-9, 195.0
_PREFIX = "encoder."


class Marker(nn.Module):
    """Decibels (n, 128, frames), from 0 to 1, to what is added to them."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [_BINS] + [_SIZE] * (1 + _LAYERS) + [_BINS]
        kernels = [1] + [_KERNEL] * _LAYERS + [1]
        self.layers = nn.ModuleList(
            nn.Conv1d(inner, outer, kernel, padding=kernel // 2)
            for inner, outer, kernel in zip(sizes[:-1], sizes[1:], kernels, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The change of each bin and frame."""
        *hidden, last = self.layers
        for layer in hidden:
            x = nn.functional.leaky_relu(layer(x))
        change: Tensor = last(x)
        return change


class Watermark(Effect):
    """A network changes the magnitudes below 2 kHz, at 32 kHz; phases stay."""

    name: ClassVar[str] = "watermark"
    declared = WatermarkOptions
    options: WatermarkOptions

    def __init__(
        self, options: Mapping[str, Any], sources: Mapping[str, Path], sample_rate: int
    ) -> None:
        super().__init__(options, sources, sample_rate)
        self._marker = _load()

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Mark (n,) samples.

        Only the change is resampled, so that the rest of the signal stays what it was.

        Returns:
            The marked signal; the energy of the change in dB relative to that of the clip.
        """
        wave = torch.from_numpy(resample(x, self._sample_rate, _SAMPLE_RATE))
        n = wave.shape[0]
        wave = nn.functional.pad(wave, (0, max(0, _N_FFT - n)))
        window = torch.hann_window(_N_FFT)
        with torch.inference_mode():
            spectrum = torch.stft(wave, _N_FFT, _HOP, window=window, return_complex=True)
            decibels = 20 * torch.log10(spectrum.abs().clamp(min=_FLOOR))
            scaled = (decibels - 20 * math.log10(_FLOOR)) / _RANGE
            total = scaled.sum(dim=0)
            heard = (total > _LEAST * total.max()).float()
            added = self._marker(scaled[None, :_BINS])[0] * heard
            marked = spectrum.clone()
            # The residual is in decibels, so that it scales the magnitude.
            marked[:_BINS] = spectrum[:_BINS] * 10 ** (added * _RANGE / 20)
            change = torch.istft(marked - spectrum, _N_FFT, _HOP, window=window, length=len(wave))
        back = resample(change[:n].numpy(), _SAMPLE_RATE, self._sample_rate)
        back = np.pad(back[: x.size], (0, max(0, x.size - back.size)))
        energy, of_clip = (float(np.square(s, dtype=np.float64).sum()) for s in (back, x))
        if energy == 0 or of_clip == 0:
            return x, {"skipped": "silence"}
        return (x + back).astype(np.float32), {"energy_db": 10 * math.log10(energy / of_clip)}


@functools.cache
def _load() -> Marker:
    found = RESEMBLE_PERTH.file
    if found is None:
        raise ConfigError(
            "effect watermark needs the weights in the package resemble-perth; install it beside "
            f"spoofscope: {RESEMBLE_PERTH.install}"
        )
    path = found.parent / _FILE
    if not path.is_file() or sha256_file(path) != _SHA256:
        raise ConfigError(
            f"{path} is not the file of {RESEMBLE_PERTH.requirement}; install that version again"
        )
    marker = Marker()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["model"]
        # The decoder finds marks, and is not needed to make them.
        own = {k.replace(".conv.", "."): v for k, v in state.items() if k.startswith(_PREFIX)}
        marker.load_state_dict({key.removeprefix(_PREFIX): value for key, value in own.items()})
    except Exception as error:  # a damaged file makes torch raise anything
        raise ConfigError(f"{path} cannot be loaded: {one_line(error)}") from error
    return marker.requires_grad_(False).eval()
