"""The neural watermark of the package resemble-perth, whose weights the tests do not have."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from spoofscope.audio import resample
from spoofscope.augmentation import watermark
from spoofscope.augmentation.band import band_of
from spoofscope.augmentation.base import power
from spoofscope.augmentation.registry import build
from spoofscope.errors import ConfigError
from spoofscope.packages import Package

RATE = 16000

torch.set_num_threads(1)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of that name with random weights; the file of weights."""
    folder = tmp_path / "site/perth"
    path = folder / "perth_net/pretrained/implicit/perth_net_250000.pth.tar"
    path.parent.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('nobody imports it')\n")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        state = watermark.Marker().state_dict()
    named = {f"encoder.{key.replace('.weight', '.conv.weight')}": v for key, v in state.items()}
    named = {key.replace(".bias", ".conv.bias"): value for key, value in named.items()}
    named["decoder.slow_layers.0.conv.bias"] = torch.zeros(1)
    torch.save({"model": named, "step": 1}, path)
    monkeypatch.setattr(sys, "path", [str(folder.parent), *sys.path])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(watermark, "_SHA256", digest)
    watermark._load.cache_clear()
    yield path
    watermark._load.cache_clear()


def marked(x: np.ndarray) -> np.ndarray:
    y, used = build("watermark", {}, {}, RATE).apply(x, np.random.default_rng(0))
    assert y.dtype == np.float32
    assert y.shape == x.shape
    if power(x):
        assert used["energy_db"] == pytest.approx(10 * np.log10(power(y - x) / power(x)))
    return y


def noise(n: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(n)).astype(np.float32)


def test_only_low_frequencies_are_marked(package):
    x = noise(3 * RATE)
    change = marked(x) - x
    assert power(band_of(change, RATE, 2100, 8000)) < 0.01 * power(change)
    np.testing.assert_array_equal(marked(x), marked(x))


@pytest.mark.parametrize("n", [1, 500, 1023, 5000])
def test_short_clips_and_silence_keep_their_length(package, n):
    marked(noise(n))
    silence = np.zeros(n, np.float32)
    np.testing.assert_array_equal(marked(silence), silence)


def test_a_missing_or_another_package_is_named(package, monkeypatch):
    monkeypatch.setattr(watermark, "_SHA256", "0" * 64)
    with pytest.raises(ConfigError, match="is not the file of resemble-perth"):
        build("watermark", {}, {}, RATE)
    monkeypatch.setattr(watermark, "RESEMBLE_PERTH", Package("no_such", "resemble-perth==1"))
    with pytest.raises(ConfigError, match="pip install --no-deps resemble-perth=="):
        build("watermark", {}, {}, RATE)


def test_weights_that_do_not_fit_are_refused(package, monkeypatch):
    torch.save({"model": {"encoder.layers.0.conv.weight": torch.zeros(1)}}, package)
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    monkeypatch.setattr(watermark, "_SHA256", digest)
    with pytest.raises(ConfigError, match="cannot be loaded"):
        build("watermark", {}, {}, RATE)


def test_the_mark_is_that_of_the_package():
    module = pytest.importorskip(
        "perth.perth_net.perth_net_implicit.model.perth_net", exc_type=ImportError
    )
    from perth.perth_net import PREPACKAGED_MODELS_DIR

    network = module.PerthNet.load("implicit", PREPACKAGED_MODELS_DIR).eval()
    x = noise(3 * RATE)
    with torch.inference_mode():
        magnitude, phase = network.ap.signal_to_magphase(torch.from_numpy(resample(x, RATE, 32000)))
        expected = network.ap.magphase_to_signal(network.encoder(magnitude[None])[0][0], phase)
        y = marked(x)
        heard, _ = network.ap.signal_to_magphase(torch.from_numpy(resample(y, RATE, 32000)))
        assert float(network.decoder(heard[None])[0]) == pytest.approx(1, abs=0.1)
    # The package resamples the whole signal, and not the change alone.
    unmarked = resample(resample(x, RATE, 32000), 32000, RATE)
    change = resample(expected.numpy(), 32000, RATE)
    n = min(change.size, y.size) - 1000
    change = change[1000:n] - unmarked[1000:n]
    assert power(change - (y - x)[1000:n]) < 0.001 * power(change)
