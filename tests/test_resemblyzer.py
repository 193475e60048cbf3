"""The speaker encoder of the package resemblyzer, whose weights the tests do not have."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from spoofscope.errors import AudioError, DetectorError
from spoofscope.frontends import registry, resemblyzer
from spoofscope.packages import Package

torch.set_num_threads(1)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of that name with random weights."""
    folder = tmp_path / "site/resemblyzer"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('nobody imports it')\n")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        state = resemblyzer.Encoder().state_dict()
    state |= {"similarity_weight": torch.ones(1), "similarity_bias": torch.ones(1)}
    torch.save({"step": 1, "model_state": state, "optimizer_state": {}}, folder / "pretrained.pt")
    monkeypatch.setattr(sys, "path", [str(folder.parent), *sys.path])
    digest = hashlib.sha256((folder / "pretrained.pt").read_bytes()).hexdigest()
    monkeypatch.setattr(resemblyzer, "_SHA256", digest)
    return folder


def build() -> resemblyzer.Resemblyzer:
    front_end = registry.build({"type": "resemblyzer"})
    assert isinstance(front_end, resemblyzer.Resemblyzer)
    return front_end


def noise(rows: int, samples: int, level: float = 0.1) -> torch.Tensor:
    return level * torch.randn(rows, samples, generator=torch.Generator().manual_seed(2))


def published(waveform: np.ndarray) -> np.ndarray:
    """Mel frames of the windows of a clip, by librosa's definition, in double precision."""
    n_mel = int(np.ceil((waveform.size + 1) / 160))
    starts = list(range(0, max(1, n_mel - 160 + 77 + 1), 77))
    if len(starts) > 1 and (waveform.size - starts[-1] * 160) / 25600 < 0.75:
        starts.pop()
    padded = np.pad(waveform, (0, max(0, (starts[-1] + 160) * 160 - waveform.size)))
    framed = np.lib.stride_tricks.sliding_window_view(np.pad(padded, 200), 400)[::160]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    power = np.abs(np.fft.rfft(framed * hann)) ** 2
    # Slaney's scale: 200 / 3 Hz per mel up to 1 kHz, then 27 per factor of 6.4.
    top = 15 + np.log(8.0) / (np.log(6.4) / 27)
    mels = np.linspace(0, top, 42)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mels - 15)))
    bins = np.linspace(0, 8000, 201)
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    filters = np.maximum(0, np.minimum(rise, fall)) * 2 / (edges[2:] - edges[:-2])[:, None]
    mel = power @ filters.T
    return np.stack([mel[start : start + 160] for start in starts])


@pytest.mark.parametrize("samples", [1, 8000, 25600, 31519, 31520, 40000, 64000])
def test_windows_are_those_of_the_package(package: Path, samples: int) -> None:
    front_end = build()
    x = noise(1, samples)
    expected = published(x[0].double().numpy())
    assert front_end.n_frames(samples) == len(expected)
    windows = torch.stack(front_end._windows(x[0], len(expected)))
    np.testing.assert_allclose(windows, expected, rtol=2e-3, atol=1e-4)
    values, lengths = front_end(x, torch.tensor([samples]))
    assert values.shape == (1, 1, len(expected), 256)
    assert lengths.tolist() == [len(expected)]
    vectors = front_end.encoder(torch.tensor(expected).float())
    torch.testing.assert_close(values[0, 0], vectors, atol=1e-4, rtol=0)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(expected)))


def test_a_clip_gives_the_same_alone_and_in_any_batch(package: Path) -> None:
    front_end = build()
    lengths = torch.tensor([64000, 20000, 44000])
    x = noise(3, 64000)
    values, frames = front_end(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = front_end(x[row : row + 1, :length], lengths[row : row + 1]).values[0]
        torch.testing.assert_close(values[row, :, : frames[row]], alone, rtol=0, atol=1e-5)
    assert front_end.frozen
    assert front_end.state_dict() == {}
    assert front_end.hop_seconds == 0.77
    assert front_end.first_centre_seconds == 0.8
    with pytest.raises(AudioError, match="without samples"):
        front_end(x, torch.tensor([64000, 0, 1]))


def test_quiet_clips_are_raised_and_loud_ones_stay(package: Path) -> None:
    front_end = build()
    lengths = torch.tensor([25600])
    quiet = front_end(noise(1, 25600, 1e-3), lengths).values
    torch.testing.assert_close(
        front_end(noise(1, 25600, 1e-4), lengths).values, quiet, atol=1e-4, rtol=0
    )
    assert (front_end(noise(1, 25600, 0.3), lengths).values - quiet).abs().max() > 1e-3
    assert front_end(torch.zeros(1, 25600), lengths).values.isfinite().all()


def test_a_package_that_is_not_there_or_another_is_refused(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package / "pretrained.pt").write_bytes(b"other")
    with pytest.raises(DetectorError, match=r"is not the file of resemblyzer==0\.1\.4"):
        build().raw(noise(1, 8000), torch.tensor([8000]))
    monkeypatch.setattr(resemblyzer, "RESEMBLYZER", Package("no_such", "resemblyzer==1"))
    with pytest.raises(DetectorError, match="install it beside spoofscope"):
        build().raw(noise(1, 8000), torch.tensor([8000]))
    assert build().n_frames(8000) == 1


def test_the_embedding_is_that_of_the_package() -> None:
    """With the package itself, where somebody has installed it."""
    own = pytest.importorskip("resemblyzer")
    x = noise(1, 64000)
    expected = own.VoiceEncoder("cpu", verbose=False).embed_utterance(x[0].numpy())
    mean = build()(x, torch.tensor([64000])).values[0, 0].mean(dim=0)
    torch.testing.assert_close(mean / mean.norm(), torch.tensor(expected), atol=1e-4, rtol=0)
