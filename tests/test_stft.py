"""The STFT front-end against torchaudio and SciPy."""

import numpy as np
import pytest
import scipy.signal
import torch
import torchaudio

from spoofscope.errors import AudioError, ConfigError, DetectorError
from spoofscope.frontends import registry
from spoofscope.frontends.base import Features
from spoofscope.frontends.stft import STFT


def noise(n_samples, rows=1, seed=1, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(rows, n_samples, generator=generator, dtype=dtype)


def lengths_of(*lengths):
    return torch.tensor(lengths)


@pytest.mark.parametrize(
    ("options", "n_frames", "n_bins"),
    [({}, 101, 256), ({"hop": 100}, 221, 256), ({"n_fft": 512, "hop": 2}, 11026, 257)],
)
def test_number_of_frames_and_bins_of_one_second(options, n_frames, n_bins):
    front_end = STFT({"sample_rate": 22050, "normalise": "none", **options})
    values, lengths = front_end(noise(22050), lengths_of(22050))
    assert values.shape == (1, 1, n_frames, n_bins)
    assert lengths.tolist() == [n_frames]
    assert front_end.n_frames(22050) == n_frames


@pytest.mark.parametrize("n_fft", [511, 512])
@pytest.mark.parametrize("n_samples", [256, 439, 440, 441, 7001])
def test_equals_scipy_at_any_length(n_fft, n_samples):
    n_samples += n_fft == 512
    front_end = STFT({"n_fft": n_fft, "normalise": "none"})
    x = noise(n_samples, dtype=torch.float64)
    padded = np.pad(x[0].numpy(), n_fft // 2, mode="reflect")
    window = scipy.signal.get_window("hann", n_fft, fftbins=True)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::220]
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    values, lengths = front_end(x, lengths_of(n_samples))
    assert lengths.tolist() == [len(power)]
    np.testing.assert_allclose(values[0, 0].exp().numpy(), power + 1e-12, rtol=1e-9)


def test_equals_scipys_own_transform():
    # Without reflection the inner frames stay: those that see no edge.
    x = noise(5000, dtype=torch.float64)[0]
    transform = scipy.signal.ShortTimeFFT(
        scipy.signal.get_window("hann", 511, fftbins=True), hop=220, fs=16000
    )
    expected = np.abs(transform.stft(x.numpy(), p0=2, p1=20)) ** 2
    values = STFT({"normalise": "none", "log_scale": False})(x[None], lengths_of(5000)).values
    np.testing.assert_allclose(values[0, 0, 2:20].numpy(), expected.T, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_equals_torchaudio(power):
    x = noise(22050, rows=2)
    reference = torchaudio.transforms.Spectrogram(n_fft=511, hop_length=220, power=power)
    options = {"normalise": "none", "power": power}
    plain = STFT({**options, "log_scale": False})(x, lengths_of(22050, 22050)).values
    torch.testing.assert_close(plain[:, 0], reference(x).transpose(1, 2), rtol=1e-4, atol=1e-6)
    logs = STFT(options)(x, lengths_of(22050, 22050)).values
    assert torch.equal(logs, (plain + 1e-12).log())


def test_a_tone_lies_in_its_bin():
    rate = 16000
    time = torch.arange(rate) / rate
    tone = torch.sin(2 * torch.pi * 1000 * time)[None]
    values = STFT({"normalise": "none"})(tone, lengths_of(rate)).values
    assert (values[0, 0].argmax(dim=1)[2:-2] == round(1000 * 511 / rate)).all()


def test_frames_are_where_the_front_end_says():
    front_end = registry.build({"type": "stft", "normalise": "none"})
    x = torch.zeros(1, 8000)
    x[0, 4400] = 1.0
    loudest = int(front_end(x, lengths_of(8000)).values[0, 0, :, 100].argmax())
    time = front_end.first_centre_seconds + loudest * front_end.hop_seconds
    assert time == pytest.approx(4400 / 16000)
    assert front_end.frozen


def test_features_do_not_depend_on_batch_mates():
    front_end = STFT({"normalise": "none"})
    clips = [noise(n, seed=n)[0] for n in (3000, 5123, 3000, 900)]
    batch = torch.full((4, 6000), 7.0)
    for row, clip in zip(batch, clips, strict=True):
        row[: len(clip)] = clip
    values, lengths = front_end(batch, lengths_of(*map(len, clips)))
    for i, clip in enumerate(clips):
        alone = front_end(clip[None], lengths_of(len(clip)))
        assert lengths[i] == alone.lengths[0] == front_end.n_frames(len(clip))
        torch.testing.assert_close(
            values[i, :, : lengths[i]], alone.values[0], atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize(("normalise", "axes"), [("global", (0, 1)), ("band", (0,))])
def test_normalisation_over_the_training_set(normalise, axes):
    front_end = STFT({"normalise": normalise})
    x, lengths = noise(9000, rows=2), lengths_of(9000, 5000)
    with pytest.raises(DetectorError, match="train the detector first"):
        front_end(x, lengths)
    raw = front_end.raw(x, lengths)
    front_end.fit([Features(raw.values[i : i + 1], raw.lengths[i : i + 1]) for i in range(2)])
    frames = np.vstack([raw.values[i, 0, : raw.lengths[i]].numpy() for i in range(2)])
    expected = (frames - frames.mean(axes)) / frames.std(axes)
    values = front_end(x, lengths).values
    np.testing.assert_allclose(
        np.vstack([values[i, 0, : raw.lengths[i]] for i in range(2)]), expected, atol=1e-3
    )
    rebuilt = STFT(front_end.config)
    rebuilt.load_state_dict(front_end.state_dict())
    assert torch.equal(rebuilt(x, lengths).values, values)


def test_silence_is_finite():
    values = STFT({"normalise": "none"})(torch.zeros(1, 4000), lengths_of(4000)).values
    assert torch.equal(values, torch.full_like(values, np.log(1e-12)))


def test_too_short_clip():
    front_end = STFT({"normalise": "none"})
    assert front_end.raw(noise(256), lengths_of(256)).lengths.tolist() == [2]
    with pytest.raises(AudioError, match="255 samples is too short for front-end stft"):
        front_end.raw(noise(300, rows=2), lengths_of(300, 255))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nfft": 512}, "did you mean 'n_fft'"),
        ({"n_fft": 1}, "at least 2"),
        ({"hop": 0}, "at least 1"),
        ({"power": 0}, "above 0"),
        ({"normalise": "utterance"}, "must be one of"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ConfigError, match=message):
        STFT(options)
