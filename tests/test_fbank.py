"""Filter banks against torchaudio and a loop, bands in Hz, and what every front-end promises."""

import numpy as np
import pytest
import torch
import torchaudio
from hypothesis import given
from hypothesis import strategies as st

from spoofscope.errors import AudioError, ConfigError, DetectorError
from spoofscope.frontends import registry
from spoofscope.frontends.base import Features
from spoofscope.frontends.fbank import FilterBank


def noise(n_samples, rows=1, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(rows, n_samples, generator=generator)


def lengths_of(*lengths):
    return torch.tensor(lengths)


@pytest.mark.parametrize("scale", ["linear", "mel"])
@pytest.mark.parametrize(("bands", "f_min", "f_max"), [(80, 0.0, None), (24, 300.0, 3400.0)])
def test_equals_torchaudio(scale, bands, f_min, f_max):
    x = noise(16000, rows=2)
    power = torchaudio.transforms.Spectrogram(n_fft=1024, hop_length=160)(x).transpose(1, 2)
    make = {
        "linear": torchaudio.functional.linear_fbanks,
        "mel": torchaudio.functional.melscale_fbanks,
    }[scale]
    filters = make(513, f_min, f_max or 8000.0, bands, 16000)
    options = {"n_fft": 1024, "bands": bands, "scale": scale, "f_min": f_min, "f_max": f_max}
    values = FilterBank({**options, "normalise": "none"})(x, lengths_of(16000, 16000)).values
    expected = (power @ filters + 1e-6).log()
    torch.testing.assert_close(values[:, 0], expected, atol=2e-3, rtol=1e-4)


def test_odd_transforms_have_their_own_bins():
    front_end = FilterBank({"n_fft": 511, "bands": 20, "normalise": "none"})
    edges = np.linspace(0, 8000, 22)
    bins = np.arange(256) * 16000 / 511
    expected = np.stack([np.interp(bins, edges[m : m + 3], [0, 1, 0]) for m in range(20)], axis=1)
    np.testing.assert_allclose(front_end.filters.numpy(), expected, atol=1e-6)


@given(
    bands=st.integers(1, 80),
    scale=st.sampled_from(["linear", "mel"]),
    f_min=st.floats(0, 1000),
    f_max=st.floats(4000, 8000),
)
def test_bands_in_hertz_follow_each_other_and_hold_the_peak_of_their_filter(
    bands, scale, f_min, f_max
):
    options = {"n_fft": 8192, "bands": bands, "scale": scale, "f_min": f_min, "f_max": f_max}
    front_end = FilterBank(options)
    edges = np.array(front_end.band_edges())
    assert edges.shape == (bands + 1,)
    assert (np.diff(edges) > 0).all()
    assert (edges[0], edges[-1]) == pytest.approx((f_min, f_max))
    # Between two edges no other filter is higher.
    peaks = front_end.filters.argmax(dim=0).numpy() * 16000 / 8192
    assert (edges[:-1] - 2 < peaks).all()
    assert (peaks < edges[1:] + 2).all()


@pytest.mark.parametrize("scale", ["linear", "mel"])
@pytest.mark.parametrize("hertz", [350, 1000, 3210, 7700])
def test_a_tone_is_loudest_in_the_band_that_says_so(scale, hertz):
    tone = torch.sin(2 * torch.pi * hertz * torch.arange(16000) / 16000)[None]
    front_end = FilterBank({"scale": scale, "bands": 40, "normalise": "none"})
    loudest = front_end(tone, lengths_of(16000)).values[0, 0, 5:-5].mean(dim=0).argmax()
    edges = front_end.band_edges()
    assert edges[loudest] <= hertz <= edges[loudest + 1]


def test_features_do_not_depend_on_batch_mates():
    front_end = FilterBank({"normalise": "utterance"})
    clips = [noise(n, seed=n)[0] for n in (3000, 5123, 3000, 900)]
    batch = torch.full((4, 6000), 7.0)
    for row, clip in zip(batch, clips, strict=True):
        row[: len(clip)] = clip
    values, lengths = front_end(batch, lengths_of(*map(len, clips)))
    for i, clip in enumerate(clips):
        alone = front_end(clip[None], lengths_of(len(clip)))
        assert (
            lengths[i] == alone.lengths[0] == front_end.n_frames(len(clip)) == len(clip) // 160 + 1
        )
        torch.testing.assert_close(
            values[i, :, : lengths[i]], alone.values[0], atol=1e-4, rtol=1e-4
        )


def test_every_band_is_normalised_over_the_training_set():
    front_end = registry.build({"type": "fbank"})
    x, lengths = noise(9000, rows=2), lengths_of(9000, 5000)
    with pytest.raises(DetectorError, match="train the detector first"):
        front_end(x, lengths)
    raw = front_end.raw(x, lengths)
    front_end.fit([Features(raw.values[i : i + 1], raw.lengths[i : i + 1]) for i in range(2)])
    values = front_end(x, lengths).values
    frames = np.vstack([values[i, 0, : raw.lengths[i]].numpy() for i in range(2)])
    np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(frames.std(axis=0), 1, atol=1e-4)
    rebuilt = FilterBank(front_end.config)
    rebuilt.load_state_dict(front_end.state_dict())
    assert torch.equal(rebuilt(x, lengths).values, values)
    assert front_end.frozen


def test_a_microphone_is_not_heard_where_each_clip_is_normalised():
    x = noise(9000)
    dull = torchaudio.functional.lowpass_biquad(x, 16000, 7000.0, 0.5)
    difference = {}
    for normalise in ("utterance", "none"):
        front_end = FilterBank({"normalise": normalise, "log_offset": 1e-12})
        clear, same = (front_end(clip, lengths_of(9000)).values for clip in (x, 0.3 * dull))
        difference[normalise] = float((clear - same).abs().mean())
    assert difference["utterance"] < 0.06
    assert difference["none"] > 2
    front_end = FilterBank({"normalise": "utterance"})
    silence = front_end(torch.zeros(1, 4000), lengths_of(4000)).values
    assert silence.abs().max() < 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_filters": 80}, "unknown key 'n_filters'"),
        ({"band": 80}, "did you mean 'bands'"),
        ({"bands": 0}, "at least 1"),
        ({"bands": 600}, "600 filters between 0 and 8000 Hz are narrower than the bins"),
        ({"scale": "bark"}, "must be one of 'linear', 'mel'"),
        ({"f_max": 9000}, "between 0 and 8000 Hz"),
        ({"log_offset": 0}, "above 0"),
        ({"normalise": "global"}, "must be one of 'none', 'band', 'utterance'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ConfigError, match=message):
        FilterBank(options)


def test_too_short_clip():
    with pytest.raises(AudioError, match="256 samples is too short for front-end fbank"):
        FilterBank({"normalise": "none"})(noise(256), lengths_of(256))
