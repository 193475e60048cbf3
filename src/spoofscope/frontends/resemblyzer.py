"""The GE2E speaker encoder of the package resemblyzer (Wan et al., ICASSP 2018).

A pre-trained network that needs no download of its own: its weights are a file of the package,
which the optional extra `resemblyzer` installs. That file alone is read. The package itself is
never imported, since it needs librosa, a compiler, and modules of SciPy that are on their way out.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
import torchaudio
from torch import Tensor, nn

from spoofscope.errors import AudioError, DetectorError
from spoofscope.files import one_line, sha256_file
from spoofscope.frontends.base import Features, FrontEnd
from spoofscope.options.frontends.resemblyzer import ResemblyzerOptions
from spoofscope.packages import RESEMBLYZER

_FILE = "pretrained.pt"
# Of the file in version 0.1.4.
_SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"

_SAMPLE_RATE, _HOP, _WINDOW, _BANDS = 16000, 160, 400, 40
_SIZE, _LAYERS = 256, 3
# Mel frames of a window, and from one window to the next: 1.6 s, 1.3 times per second.
_FRAMES, _STEP = 160, 77
# A last window counts if the clip fills so much of it.
_COVERAGE = 0.75
_LEVEL = -30.0


class Encoder(nn.Module):
    """LSTM, linear layer and rectifier: mel frames (n, 160, 40) to vectors (n, 256) of length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(_BANDS, _SIZE, _LAYERS, batch_first=True)
        self.linear = nn.Linear(_SIZE, _SIZE)

    def forward(self, mel: Tensor) -> Tensor:
        """Vectors of the last state; one without a positive number stays zero."""
        _, (hidden, _) = self.lstm(mel)
        return nn.functional.normalize(self.linear(hidden[-1]).relu(), dim=1)


class Resemblyzer(FrontEnd):
    """Speaker vectors of windows of 1.6 s, one every 0.77 s; frozen.

    Values (B, 1, N, 256), each of length 1: the mean over a clip, as back-end `linear` takes it, is
    the package's embedding of the clip but for its length. A quiet clip is raised to -30 dB, as the
    package does; it also takes out long silences, which this does not, so that frames have times.
    Zeros fill the last window of a clip.
    """

    name = "resemblyzer"
    declared = ResemblyzerOptions
    options: ResemblyzerOptions
    channel_axis = "channel"
    dim_axis = "embedding"
    filters: Tensor
    window: Tensor

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.sample_rate = _SAMPLE_RATE
        self.n_channels = 1
        self.dim = _SIZE
        self.hop_seconds = _STEP * _HOP / _SAMPLE_RATE
        self.first_centre_seconds = _FRAMES * _HOP / _SAMPLE_RATE / 2
        filters = torchaudio.functional.melscale_fbanks(
            *(_WINDOW // 2 + 1, 0.0, _SAMPLE_RATE / 2, _BANDS, _SAMPLE_RATE),
            norm="slaney",
            mel_scale="slaney",
        )
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("window", torch.hann_window(_WINDOW), persistent=False)
        # Outside of the registered modules: it is no part of a detector's state, and work on cached
        # features never loads it.
        self._loaded: list[Encoder] = []

    @property
    def encoder(self) -> Encoder:
        """The network, loaded when it is first used.

        Raises:
            DetectorError: the package is not installed, or its weights are others.
        """
        if not self._loaded:
            self._loaded.append(_load())
        return self._loaded[0]

    def n_frames(self, n_samples: int) -> int:
        """Windows of a clip: one every 77 mel frames, the last one if it is filled by 75 %."""
        if n_samples < 1:
            return 0
        mel_frames = math.ceil((n_samples + 1) / _HOP)
        n = len(range(0, max(1, mel_frames - _FRAMES + _STEP + 1), _STEP))
        covered = (n_samples - (n - 1) * _STEP * _HOP) / (_FRAMES * _HOP)
        return n - 1 if n > 1 and covered < _COVERAGE else n

    def raw(self, waveform: Tensor, lengths: Tensor) -> Features:
        """Vectors (B, 1, N, 256) of waveforms (B, n_samples); see the base class.

        Raises:
            AudioError: a row is empty.
            DetectorError: as :attr:`encoder`.
        """
        counts = [self.n_frames(n) for n in lengths.tolist()]
        if min(counts) < 1:
            raise AudioError("a clip without samples has no speaker vector")
        encoder = self.encoder.to(waveform.device)
        windows = [
            window
            for samples, length, n in zip(waveform, lengths.tolist(), counts, strict=True)
            for window in self._windows(samples[:length].float(), n)
        ]
        vectors = encoder(torch.stack(windows))
        rows = nn.utils.rnn.pad_sequence(list(vectors.split(counts)), batch_first=True)
        return Features(rows[:, None], torch.tensor(counts, device=lengths.device))

    def _windows(self, samples: Tensor, n: int) -> list[Tensor]:
        """Mel frames (160, 40) of the windows of one clip."""
        square = float(samples.square().mean())
        # Silence has no level.
        if 0 < square < 10 ** (_LEVEL / 10):
            samples = samples * math.sqrt(10 ** (_LEVEL / 10) / square)
        end = ((n - 1) * _STEP + _FRAMES) * _HOP
        padded = nn.functional.pad(samples, (0, max(0, end - samples.shape[0])))
        spectrum = torch.stft(
            *(padded, _WINDOW, _HOP),
            window=self.window,
            pad_mode="constant",
            return_complex=True,
        )
        mel = spectrum.abs().square().T @ self.filters
        return [mel[i * _STEP : i * _STEP + _FRAMES] for i in range(n)]


def _load() -> Encoder:
    found = RESEMBLYZER.file
    if found is None:
        raise DetectorError(
            "front-end resemblyzer needs the weights in the package of its name; install it beside "
            f"spoofscope: {RESEMBLYZER.install}"
        )
    path = found.with_name(_FILE)
    if not path.is_file() or sha256_file(path) != _SHA256:
        raise DetectorError(
            f"{path} is not the file of {RESEMBLYZER.requirement}; install that version again"
        )
    encoder = Encoder()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
        # Those of the loss in training are no part of the encoder.
        encoder.load_state_dict({k: v for k, v in state.items() if not k.startswith("similarity_")})
    except Exception as error:  # a damaged file makes torch raise anything
        raise DetectorError(f"{path} cannot be loaded: {one_line(error)}") from error
    return encoder.requires_grad_(False).eval()
