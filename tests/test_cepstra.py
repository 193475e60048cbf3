"""LFCC and MFCC against torchaudio, and against their definition in NumPy and SciPy."""

import numpy as np
import pytest
import scipy.fft
import torch
import torchaudio

from spoofscope.errors import AudioError, ConfigError, DetectorError, TrainingError
from spoofscope.frontends import registry
from spoofscope.frontends.base import Features
from spoofscope.frontends.lfcc import LFCC
from spoofscope.frontends.mfcc import MFCC


def noise(n_samples, rows=1, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(rows, n_samples, generator=generator)


def lengths_of(*lengths):
    return torch.tensor(lengths)


def edges_in_hz(kind, f_min, f_max, n):
    if kind == "lfcc":
        return np.linspace(f_min, f_max, n)
    mel = np.linspace(*(2595 * np.log10(1 + f / 700) for f in (f_min, f_max)), n)
    return 700 * (10 ** (mel / 2595) - 1)


def reference(
    kind,
    x,
    *,
    sample_rate=16000,
    n_fft=512,
    win=None,
    hop=256,
    n_filters=20,
    n_coefficients=20,
    f_min=0.0,
    f_max=None,
    log_offset=1e-6,
):
    """(N, 3 * n_coefficients) of one clip (n,), loop by loop."""
    win = win or n_fft
    window = np.zeros(n_fft)
    start = (n_fft - win) // 2
    window[start : start + win] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win) / win)
    padded = np.pad(x.astype(np.float64), n_fft // 2, mode="reflect")
    edges = edges_in_hz(kind, f_min, f_max or sample_rate / 2, n_filters + 2)
    bins = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    rows = []
    for first in range(0, len(padded) - n_fft + 1, hop):
        power = np.abs(np.fft.rfft(padded[first : first + n_fft] * window)) ** 2
        energies = [
            sum(power * np.interp(bins, edges[m : m + 3], [0, 1, 0])) for m in range(n_filters)
        ]
        cepstrum = scipy.fft.dct(np.log(np.array(energies) + log_offset), type=2, norm="ortho")
        rows.append(cepstrum[:n_coefficients])
    static = np.array(rows)

    def delta(frames):
        p = np.concatenate([frames[:1], frames[:1], frames, frames[-1:], frames[-1:]])
        return np.array(
            [(p[i + 3] - p[i + 1] + 2 * (p[i + 4] - p[i])) / 10 for i in range(len(frames))]
        )

    return np.hstack([static, delta(static), delta(delta(static))])


# The linear cepstra of the wavelet-packet study (TMLR 2024), on its spectrogram of 256 bins.
OF_THE_PACKET_STUDY = {
    "sample_rate": 22050,
    "n_fft": 511,
    "hop": 220,
    "f_min": 1.0,
    "f_max": 11025.0,
    "log_offset": 1e-12,
}


@pytest.mark.parametrize("kind", ["lfcc", "mfcc"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"win": 320, "hop": 160},
        {"sample_rate": 22050, "n_filters": 30, "n_coefficients": 13, "n_fft": 1024},
        OF_THE_PACKET_STUDY,
    ],
)
def test_equals_the_definition(kind, options):
    front_end = registry.build({"type": kind, **options})
    x = noise(7000)
    values, lengths = front_end(x, lengths_of(7000))
    expected = reference(kind, x[0].numpy(), **options)
    assert values.shape == (1, 1, *expected.shape)
    assert lengths.tolist() == [len(expected)] == [front_end.n_frames(7000)]
    assert front_end.dim == expected.shape[1]
    np.testing.assert_allclose(values[0, 0].numpy(), expected, atol=2e-4)


@pytest.mark.parametrize("kind", ["lfcc", "mfcc"])
@pytest.mark.parametrize("rate", [16000, 22050])
def test_the_defaults_are_wavefakes_cepstra(kind, rate):
    x = noise(rate, rows=2)
    spectrogram = {"n_fft": 512, "hop_length": 256}
    transform = {
        "lfcc": lambda: torchaudio.transforms.LFCC(
            rate, n_filter=20, n_lfcc=20, log_lf=True, speckwargs=spectrogram
        ),
        "mfcc": lambda: torchaudio.transforms.MFCC(
            rate, n_mfcc=20, log_mels=True, melkwargs={**spectrogram, "n_mels": 20}
        ),
    }[kind]()
    static = transform(x)
    delta = torchaudio.functional.compute_deltas(static)
    expected = torch.cat([static, delta, torchaudio.functional.compute_deltas(delta)], dim=1)
    front_end = registry.build({"type": kind, "sample_rate": rate})
    values = front_end(x, lengths_of(rate, rate)).values
    assert values.shape == (2, 1, 1 + rate // 256, 60)
    torch.testing.assert_close(values[:, 0], expected.transpose(1, 2), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("kind", ["lfcc", "mfcc", "stft", "wavelet_packets"])
def test_mixed_precision_changes_nothing(kind):
    front_end = registry.build({"type": kind, "normalise": "none"})
    x, lengths = noise(4000, rows=2), lengths_of(4000, 3000)
    expected = front_end(x, lengths).values
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values = front_end(x, lengths).values
    assert values.dtype == torch.float32
    assert torch.equal(values, expected)


def test_without_deltas():
    x, lengths = noise(4000), lengths_of(4000)
    plain = LFCC({"deltas": False})
    assert plain.dim == 20
    assert torch.equal(plain(x, lengths).values, LFCC({})(x, lengths).values[..., :20])


def test_a_low_tone_lies_in_the_low_filters():
    front_end = LFCC({"f_min": 1000.0, "f_max": 5000.0})
    assert front_end.filters[: 1000 * 512 // 16000].sum() == 0
    assert front_end.filters[5000 * 512 // 16000 + 1 :].sum() == 0


def test_features_do_not_depend_on_batch_mates():
    front_end = LFCC({"normalise": "utterance"})
    clips = [noise(n, seed=n)[0] for n in (3000, 5123, 3000, 900)]
    batch = torch.full((4, 6000), 7.0)
    for row, clip in zip(batch, clips, strict=True):
        row[: len(clip)] = clip
    values, lengths = front_end(batch, lengths_of(*map(len, clips)))
    for i, clip in enumerate(clips):
        alone = front_end(clip[None], lengths_of(len(clip)))
        assert lengths[i] == alone.lengths[0]
        torch.testing.assert_close(
            values[i, :, : lengths[i]], alone.values[0], atol=1e-5, rtol=1e-5
        )


def test_global_normalisation():
    front_end = LFCC({"normalise": "global"})
    x = torch.cat([noise(9000, seed=2), 3 * noise(9000, seed=3)])
    lengths = lengths_of(9000, 5000)
    with pytest.raises(DetectorError, match="train the detector first"):
        front_end(x, lengths)
    raw = front_end.raw(x, lengths)
    front_end.fit([Features(raw.values[i : i + 1], raw.lengths[i : i + 1]) for i in range(2)])
    frames = np.vstack([raw.values[i, 0, : raw.lengths[i]].numpy() for i in range(2)])
    np.testing.assert_allclose(front_end.statistics.mean, frames.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(front_end.statistics.std, frames.std(0), rtol=1e-4)
    rebuilt = LFCC(front_end.config)
    rebuilt.load_state_dict(front_end.state_dict())
    values = rebuilt(x, lengths).values
    assert torch.equal(values, front_end(x, lengths).values)
    normal = torch.cat([values[i, 0, : raw.lengths[i]] for i in range(2)])
    torch.testing.assert_close(normal.mean(0), torch.zeros(60), atol=1e-4, rtol=0)
    torch.testing.assert_close(normal.std(0, correction=0), torch.ones(60), atol=1e-4, rtol=0)


def test_global_normalisation_needs_data_that_varies():
    front_end = LFCC({"normalise": "global"})
    with pytest.raises(TrainingError, match="no frames"):
        front_end.fit([])
    silence = front_end.raw(torch.zeros(1, 4000), lengths_of(4000))
    with pytest.raises(TrainingError, match="same value in all frames"):
        front_end.fit([silence])
    with pytest.raises(TrainingError, match="NaN"):
        front_end.fit([Features(silence.values * torch.nan, silence.lengths)])


def test_utterance_normalisation():
    front_end = LFCC({"normalise": "utterance"})
    values = front_end(noise(9000), lengths_of(9000)).values[0, 0]
    torch.testing.assert_close(values.mean(0), torch.zeros(60), atol=1e-4, rtol=0)
    torch.testing.assert_close(values.std(0, correction=0), torch.ones(60), atol=1e-4, rtol=0)
    assert front_end(torch.zeros(1, 4000), lengths_of(4000)).values.abs().max() < 0.1


def test_frames_are_where_the_front_end_says():
    front_end = registry.build({"type": "lfcc", "hop": 160})
    x = torch.zeros(1, 8000)
    x[0, 4000] = 1.0
    loudest = int(front_end.raw(x, lengths_of(8000)).values[0, 0, :, 0].argmax())
    time = front_end.first_centre_seconds + loudest * front_end.hop_seconds
    assert time == pytest.approx(4000 / 16000)
    assert front_end.frozen


def test_too_short_clip():
    front_end = LFCC({})
    assert front_end.n_frames(256) == 0
    assert front_end.raw(noise(257), lengths_of(257)).lengths.tolist() == [front_end.n_frames(257)]
    with pytest.raises(AudioError, match="256 samples is too short"):
        front_end.raw(noise(300, rows=2), lengths_of(300, 256))
    odd = LFCC({"n_fft": 511, "hop": 220})
    assert odd.raw(noise(440), lengths_of(440)).lengths.tolist() == [odd.n_frames(440)] == [2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hopp": 1}, "did you mean 'hop'"),
        ({"win": 600}, "exceeds n_fft"),
        ({"n_coefficients": 21}, "of 20 filters"),
        ({"f_max": 9000}, "between 0 and 8000"),
        ({"f_min": 500, "f_max": 400}, "in this order"),
        ({"n_filters": 600}, "narrower than the bins"),
        ({"hop": 0}, "at least 1"),
        ({"log_offset": 0}, "above 0"),
        ({"deltas": 1}, "must be true or false"),
        ({"normalise": "corpus"}, "must be one of"),
    ],
)
def test_bad_options(options, message):
    for front_end in (LFCC, MFCC):
        with pytest.raises(ConfigError, match=f"front-end {front_end.name}: .*{message}"):
            front_end(options)
