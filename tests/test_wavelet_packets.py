"""Wavelet packets against PyWavelets and the PyTorch wavelet toolbox."""

import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spoofscope.errors import AudioError, ConfigError, DetectorError, TrainingError
from spoofscope.frontends import registry
from spoofscope.frontends.base import Features
from spoofscope.frontends.wavelet_packets import (
    WaveletPackets,
    n_steps,
    packets,
    packets_by_ptwt,
)


def noise(n_samples, rows=1, seed=1, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(rows, n_samples, generator=generator, dtype=dtype)


def with_pywavelets(x, wavelet, level, mode="reflect"):
    tree = pywt.WaveletPacket(x, wavelet, mode=mode, maxlevel=level)
    return np.stack([node.data for node in tree.get_level(level, order="freq")])


BOUNDARIES = ["reflect", "symmetric", "periodic", "constant", "zero"]


@pytest.mark.parametrize("wavelet", ["haar", "sym5", "coif4"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_equals_pywavelets_and_the_pytorch_wavelet_toolbox(wavelet, boundary):
    x = noise(3001, rows=2, dtype=torch.float64)
    result = packets(x, wavelet, 6, boundary)
    expected = np.stack([with_pywavelets(row, wavelet, 6, boundary) for row in x.numpy()])
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-12)
    reference = packets_by_ptwt(x, wavelet, 6, boundary)
    torch.testing.assert_close(result, reference, atol=1e-12, rtol=0)
    # The ends are not the same: each of them is continued in its own way.
    if boundary != "reflect" and wavelet != "haar":
        assert (result - packets(x, wavelet, 6))[..., 0].abs().max() > 1e-3


@pytest.mark.parametrize("options", [{}, {"sign_channel": True}, {"log_scale": False}])
def test_the_reference_can_be_chosen(options):
    """A front-end on ptwt gives the same features, but for rounding, and is refused as ours is."""
    config = {"type": "wavelet_packets", "level": 5, "normalise": "none", **options}
    waveform, lengths = noise(4000, rows=2), torch.tensor([4000, 3100])
    ours, reference = (
        registry.build({**config, **chosen})(waveform, lengths)
        for chosen in ({}, {"implementation": "ptwt"})
    )
    assert torch.equal(ours.lengths, reference.lengths)
    # Logarithms of coefficients near zero differ more.
    difference = (ours.values - reference.values).abs()
    assert difference.median() < 1e-5
    assert (difference < 1e-3).double().mean() > 0.999
    with pytest.raises(AudioError, match="too short for 5 levels of sym5"):
        packets_by_ptwt(noise(20), "sym5", 5)
    with pytest.raises(ConfigError, match="implementation must be one of"):
        registry.build({**config, "implementation": "pywt"})


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["haar", "db2", "sym4", "sym8", "coif3"]),
    st.sampled_from(BOUNDARIES),
    st.integers(1, 6),
    st.integers(150, 700),
)
def test_equals_pywavelets_at_any_length(wavelet, boundary, level, n_samples):
    x = noise(n_samples, seed=n_samples, dtype=torch.float64)
    expected = with_pywavelets(x[0].numpy(), wavelet, level, boundary)
    assert n_steps(n_samples, wavelet, level) == expected.shape[1]
    result = packets(x, wavelet, level, boundary)[0]
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-12)


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
def test_a_second_equals_pywavelets_with_every_wavelet_of_the_paper(wavelet):
    front_end = WaveletPackets(
        {"sample_rate": 22050, "wavelet": wavelet, "log_scale": False, "normalise": "none"}
    )
    assert front_end.n_frames(22050) == STEPS[wavelet]
    x = noise(22050)
    values, lengths = front_end(x, torch.tensor([22050]))
    assert values.shape == (1, 1, STEPS[wavelet], 256)
    assert lengths.tolist() == [STEPS[wavelet]]
    expected = with_pywavelets(x[0].double().numpy(), wavelet, 8).T
    assert np.abs(values[0, 0].numpy() - expected).max() <= 1e-5 * np.abs(expected).max()


def test_one_second_of_db8_at_level_7():
    assert packets(noise(22050, rows=2), "db8", 7).shape == (2, 128, 187)


def test_bands_rise_with_frequency():
    rate = 16000
    time = torch.arange(rate) / rate
    centres = [(band + 0.5) * rate / 2 / 64 for band in range(2, 62)]
    tones = torch.stack([torch.sin(2 * torch.pi * f * time) for f in centres])
    loudest = packets(tones, "db10", 6).square().sum(dim=2).argmax(dim=1)
    assert loudest.tolist() == list(range(2, 62))


def test_a_rising_tone_rises_through_the_bands():
    rate = 16000
    time = torch.arange(4 * rate, dtype=torch.float64) / (4 * rate)
    # From 0 Hz to half the sample rate.
    sweep = torch.sin(2 * torch.pi * rate * time.square())[None]
    loudest = packets(sweep, "db10", 5)[0].abs().argmax(dim=1)
    assert (loudest.diff() > 0).all()


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


@pytest.mark.parametrize(
    "options", [{}, {"sign_channel": True}, {"log_scale": False}, {"power": 1.0}]
)
def test_block_normalisation_divides_by_the_largest_magnitudes_in_training(options):
    front_end = WaveletPackets({"normalise": "block", "level": 5, **options})
    x, lengths = noise(3000, rows=2), torch.tensor([3000, 2000])
    with pytest.raises(DetectorError, match="train the detector first"):
        front_end(x, lengths)
    raw = front_end.raw(x, lengths)
    front_end.fit([Features(raw.values[i : i + 1], raw.lengths[i : i + 1]) for i in range(2)])
    clips = [packets(x[i : i + 1, :n], "sym5", 5)[0] for i, n in enumerate((3000, 2000))]
    largest = torch.cat(clips, dim=1).abs().amax(dim=1)
    other = 2 * noise(3000, seed=3)
    expected = packets(other, "sym5", 5)[0].T / largest
    if front_end.log_scale:
        expected = expected.abs().pow(front_end.power).log()
    values = front_end(other, lengths[:1]).values
    # Next to nothing, the offset under the logarithm counts.
    torch.testing.assert_close(values[0, 0].exp(), expected.exp(), atol=1e-4, rtol=1e-4)
    if front_end.sign_channel:
        assert torch.equal(values[:, 1], front_end.raw(other, lengths[:1]).values[:, 1])
    rebuilt = WaveletPackets(front_end.config)
    rebuilt.load_state_dict(front_end.state_dict())
    assert torch.equal(rebuilt(other, lengths[:1]).values, values)


def test_block_normalisation_needs_data():
    front_end = WaveletPackets({"normalise": "block", "log_scale": False})
    with pytest.raises(TrainingError, match="no frames"):
        front_end.fit([])
    silence = front_end.raw(torch.zeros(1, 4000), torch.tensor([4000]))
    with pytest.raises(TrainingError, match="band 0 of 256 is zero"):
        front_end.fit([silence])
    with pytest.raises(TrainingError, match="NaN"):
        front_end.fit([Features(silence.values * torch.nan, silence.lengths)])


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
    with pytest.raises(AudioError, match=f"{shortest - 1} samples is too short for 8 levels"):
        packets(noise(shortest - 1), wavelet, 8)


@pytest.mark.slow
def test_gradients_reach_the_waveform():
    x = noise(61, rows=2, dtype=torch.float64).requires_grad_()
    for boundary in BOUNDARIES:
        assert torch.autograd.gradcheck(lambda v, b=boundary: packets(v, "db2", 2, b), x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wavelett": "db2"}, "did you mean 'wavelet'"),
        ({"wavelet": "morl"}, "no discrete wavelet"),
        ({"level": 0}, "at least 1"),
        ({"power": 0.0}, "above 0"),
        ({"sign_channel": True, "log_scale": False}, "needs log_scale"),
        ({"boundary": "mirror"}, "must be one of 'reflect', 'symmetric'"),
        ({"normalise": "utterance"}, "must be one of"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ConfigError, match=message):
        WaveletPackets(options)
