"""Wavelet packets against PyWavelets and the PyTorch wavelet toolbox."""

import numpy as np
import ptwt
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spoofscope.errors import AudioError, ConfigError, DetectorError
from spoofscope.frontends import registry
from spoofscope.frontends.base import Features
from spoofscope.frontends.wavelet_packets import WaveletPackets, n_steps, packets


def noise(n_samples, rows=1, seed=1, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(rows, n_samples, generator=generator, dtype=dtype)


def with_pywavelets(x, wavelet, level):
    tree = pywt.WaveletPacket(x, wavelet, mode="reflect", maxlevel=level)
    return np.stack([node.data for node in tree.get_level(level, order="freq")])


@pytest.mark.parametrize("wavelet", ["haar", "sym5", "db8", "coif4", "db10"])
@pytest.mark.parametrize("n_samples", [16000, 7001])
def test_equals_pywavelets(wavelet, n_samples):
    x = noise(n_samples, dtype=torch.float64)
    expected = with_pywavelets(x[0].numpy(), wavelet, 8)
    result = packets(x, wavelet, 8)[0]
    assert result.shape == expected.shape
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-12)
    single = packets(x.float(), wavelet, 8)[0]
    np.testing.assert_allclose(single.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("wavelet", ["haar", "sym5", "coif4"])
def test_equals_the_pytorch_wavelet_toolbox(wavelet):
    x = noise(16000, rows=2)
    tree = ptwt.WaveletPacket(x, pywt.Wavelet(wavelet), mode="reflect", maxlevel=8)
    nodes = [tree[node] for node in tree.get_level(8, order="freq")]
    torch.testing.assert_close(packets(x, wavelet, 8), torch.stack(nodes, 1), atol=1e-5, rtol=0)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["haar", "db2", "sym4", "sym8", "coif3"]),
    st.integers(1, 6),
    st.integers(150, 700),
)
def test_equals_pywavelets_at_any_length(wavelet, level, n_samples):
    x = noise(n_samples, seed=n_samples, dtype=torch.float64)
    expected = with_pywavelets(x[0].numpy(), wavelet, level)
    assert n_steps(n_samples, wavelet, level) == expected.shape[1]
    np.testing.assert_allclose(packets(x, wavelet, level)[0].numpy(), expected, atol=1e-12)


# Time steps of 22,050 samples at level 8, by filter length.
STEPS = {
    "haar": 87,
    **{f"{kind}{i}": 85 + 2 * i for kind in ("sym", "db") for i in range(2, 11)},
    **dict(
        zip(
            [f"coif{i}" for i in range(2, 11)],
            [97, 103, 109, 115, 120, 126, 132, 138, 144],
            strict=True,
        )
    ),
}


@pytest.mark.parametrize("wavelet", STEPS)
def test_number_of_steps(wavelet):
    front_end = WaveletPackets({"sample_rate": 22050, "wavelet": wavelet, "normalise": "none"})
    assert front_end.n_frames(22050) == STEPS[wavelet]
    values, lengths = front_end(noise(22050), torch.tensor([22050]))
    assert values.shape == (1, 1, STEPS[wavelet], 256)
    assert lengths.tolist() == [STEPS[wavelet]]


def test_one_second_of_db8_at_level_7():
    assert packets(noise(22050, rows=2), "db8", 7).shape == (2, 128, 187)


def test_bands_rise_with_frequency():
    rate = 16000
    time = torch.arange(rate) / rate
    centres = [(band + 0.5) * rate / 2 / 64 for band in range(2, 62)]
    tones = torch.stack([torch.sin(2 * torch.pi * f * time) for f in centres])
    loudest = packets(tones, "db10", 6).square().sum(dim=2).argmax(dim=1)
    assert loudest.tolist() == list(range(2, 62))


def test_energy_is_kept():
    x = noise(16384, dtype=torch.float64)
    x[:, :1000] = x[:, -1000:] = 0
    for wavelet in ("haar", "sym5"):
        energy = packets(x, wavelet, 4).square().sum()
        torch.testing.assert_close(energy, x.square().sum())


def test_channels():
    x, lengths = noise(5000), torch.tensor([5000])
    coefficients = packets(x, "sym5", 8).transpose(1, 2)
    options = {"normalise": "none"}
    values = WaveletPackets({**options, "sign_channel": True})(x, lengths).values
    torch.testing.assert_close(values[:, 0], (coefficients.square() + 1e-12).log())
    assert torch.equal(values[:, 1], torch.where(coefficients >= 0, 1.0, -1.0))
    one = WaveletPackets({**options, "power": 1.0})(x, lengths).values
    torch.testing.assert_close(one[:, 0], (coefficients.abs() + 1e-12).log())
    plain = WaveletPackets({**options, "log_scale": False})(x, lengths).values
    assert torch.equal(plain[:, 0], coefficients)


def test_silence_is_finite():
    front_end = WaveletPackets({"normalise": "none", "sign_channel": True})
    values = front_end(torch.zeros(1, 4000), torch.tensor([4000])).values
    assert torch.equal(values[0, 0], torch.full_like(values[0, 0], np.log(1e-12)))
    assert (values[0, 1] == 1).all()


def test_features_do_not_depend_on_batch_mates():
    front_end = WaveletPackets({"normalise": "none"})
    clips = [noise(n, seed=n)[0] for n in (3000, 5123, 3000, 900)]
    batch = torch.full((4, 6000), 7.0)
    for row, clip in zip(batch, clips, strict=True):
        row[: len(clip)] = clip
    values, lengths = front_end(batch, torch.tensor([len(clip) for clip in clips]))
    for i, clip in enumerate(clips):
        alone = front_end(clip[None], torch.tensor([len(clip)]))
        assert lengths[i] == alone.lengths[0] == front_end.n_frames(len(clip))
        # In the logarithm, rounding is large near zero.
        torch.testing.assert_close(
            values[i, :, : lengths[i]].exp(), alone.values[0].exp(), atol=1e-6, rtol=1e-5
        )


def test_global_normalisation_is_one_pair_of_numbers_per_channel():
    front_end = WaveletPackets({"sign_channel": True})
    x, lengths = noise(9000, rows=2), torch.tensor([9000, 5000])
    with pytest.raises(DetectorError, match="train the detector first"):
        front_end(x, lengths)
    raw = front_end.raw(x, lengths)
    front_end.fit([Features(raw.values[i : i + 1], raw.lengths[i : i + 1]) for i in range(2)])
    frames = [raw.values[i, :, : raw.lengths[i]].flatten(1) for i in range(2)]
    pooled = torch.cat(frames, dim=1).double()
    torch.testing.assert_close(front_end.statistics.mean, pooled.mean(1).float())
    torch.testing.assert_close(front_end.statistics.std, pooled.std(1, correction=0).float())
    rebuilt = WaveletPackets(front_end.config)
    rebuilt.load_state_dict(front_end.state_dict())
    assert torch.equal(rebuilt(x, lengths).values, front_end(x, lengths).values)


@pytest.mark.parametrize("wavelet", ["haar", "sym5", "coif4"])
def test_frames_are_where_the_front_end_says(wavelet):
    front_end = registry.build({"type": "wavelet_packets", "wavelet": wavelet, "level": 5})
    x = torch.zeros(1, 16000)
    x[0, 8000] = 1.0
    energy = packets(x, wavelet, 5)[0].square().sum(dim=0)
    centre = (energy * torch.arange(len(energy))).sum() / energy.sum()
    time = front_end.first_centre_seconds + float(centre) * front_end.hop_seconds
    assert time == pytest.approx(0.5, abs=front_end.hop_seconds)


@pytest.mark.parametrize("wavelet", ["haar", "sym5", "coif4"])
def test_too_short_clip(wavelet):
    front_end = WaveletPackets({"wavelet": wavelet, "normalise": "none"})
    shortest = next(n for n in range(1, 1000) if front_end.n_frames(n))
    assert shortest <= 1040
    length = torch.tensor([shortest])
    assert front_end(noise(shortest), length).lengths.tolist() == [front_end.n_frames(shortest)]
    with pytest.raises(AudioError, match="too short"):
        front_end(noise(shortest - 1), length - 1)


def test_gradients_reach_the_waveform():
    x = noise(700, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: packets(v, "sym5", 3), x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wavelett": "db2"}, "did you mean 'wavelet'"),
        ({"wavelet": "morl"}, "no discrete wavelet"),
        ({"level": 0}, "at least 1"),
        ({"power": 0.0}, "positive"),
        ({"sign_channel": True, "log_scale": False}, "needs log_scale"),
        ({"normalise": "utterance"}, "must be one of"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ConfigError, match=message):
        WaveletPackets(options)
