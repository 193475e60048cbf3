"""Effects that ASVspoof 5 detectors are trained with: trimming, masking, noises and filters."""

import numpy as np
import polars as pl
import pytest
import torch
import torchaudio
from scipy import signal as dsp

from spoofscope.audio import write
from spoofscope.augmentation.chain import Chain, utterance_rng
from spoofscope.augmentation.copies import make_copies
from spoofscope.augmentation.noise_filter import FILTERS, NOISES, add_noise, apply_filter, equaliser
from spoofscope.augmentation.registry import build
from spoofscope.errors import ConfigError
from spoofscope.tables import SEGMENT_COLUMNS

RATE = 16000


def noise(n: int = RATE, level: float = 0.1, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def speech_after(seconds: float) -> np.ndarray:
    """Near silence, then bursts of harmonics."""
    t = np.arange(2 * RATE) / RATE
    tone = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 20))
    bursts = 0.15 * tone * (np.sin(2 * np.pi * 3 * t) > -0.3)
    x = np.concatenate([np.zeros(int(seconds * RATE)), bursts])
    return (x + noise(x.size, 1e-4)).astype(np.float32)


@pytest.mark.parametrize("name", ["trim_silence", "time_mask", "noise_filter"])
def test_effects_refuse_options_that_they_lack(name):
    with pytest.raises(ConfigError, match=r"unknown key 'zzz'"):
        build(name, {"zzz": 1}, {}, RATE)


# --- trimming ------------------------------------------------------------------------------------


def test_the_silence_before_speech_is_cut_off():
    x = speech_after(1.0)
    y, used = build("trim_silence", {}, {}, RATE).apply(x, np.random.default_rng())
    assert 0.5 < used["seconds"] <= 1.1
    assert np.array_equal(y, x[x.size - y.size :])
    assert y.size == x.size - round(used["seconds"] * RATE)
    expected = torchaudio.functional.vad(torch.from_numpy(x)[None], RATE)[0].numpy()
    assert np.array_equal(y, expected)


def test_a_clip_in_which_nothing_is_found_stays():
    x = noise(RATE, 1e-3)
    assert torchaudio.functional.vad(torch.from_numpy(x)[None], RATE).shape[-1] < RATE / 4
    y, used = build("trim_silence", {}, {}, RATE).apply(x, np.random.default_rng())
    assert np.array_equal(y, x)
    assert used == {"seconds": 0.0}


def test_copies_with_segments_refuse_to_be_cut(tmp_path):
    write(tmp_path / "a.wav", speech_after(1.0), RATE)
    manifest = pl.DataFrame(
        {
            "utt_id": ["a"],
            "path": [str(tmp_path / "a.wav")],
            "label": ["spoof"],
            "duration": [3.0],
            "sample_rate": [RATE],
        }
    )
    segments = pl.DataFrame([("a", 1.0, 2.0, "artefact", "x")], SEGMENT_COLUMNS, orient="row")
    chain = Chain([{"effect": "trim_silence"}], {}, RATE)
    assert not chain.keeps_time
    assert Chain([{"effect": "time_mask"}, {"effect": "noise_filter"}], {}, RATE).keeps_time
    with pytest.raises(ConfigError, match=r"copies short: .*segments.*trim_silence"):
        make_copies(manifest, chain, tmp_path / "out", "short", 1, segments=segments)
    copied, none = make_copies(
        manifest, chain, tmp_path / "out", "short", 1, segments=segments.clear()
    )
    assert 2.0 <= copied["duration"][0] < 3.0
    assert none.is_empty()


# --- masking -------------------------------------------------------------------------------------


def test_one_stretch_becomes_silence():
    effect = build("time_mask", {}, {}, RATE)
    x = noise() + np.float32(10)
    shares, starts = [], []
    for seed in range(200):
        y, used = effect.apply(x, np.random.default_rng(seed))
        zero = np.flatnonzero(y == 0)
        first, last = round(used["start"] * RATE), round(used["end"] * RATE)
        assert np.array_equal(zero, np.arange(first, last))
        assert np.array_equal(np.delete(y, zero), np.delete(x, zero))
        shares.append(zero.size / x.size)
        starts.append(first / (x.size - zero.size))
    assert 0.2 <= min(shares) < 0.23
    assert 0.47 < max(shares) <= 0.5
    assert min(starts) < 0.05
    assert max(starts) > 0.95


def test_a_share_beyond_the_clip_is_refused():
    with pytest.raises(ConfigError, match=r"share\[1\] must be a number .* not 1\.5"):
        build("time_mask", {"share": [0.5, 1.5]}, {}, RATE)
    whole, _ = build("time_mask", {"share": [1, 1]}, {}, RATE).apply(
        noise(), np.random.default_rng(0)
    )
    assert not whole.any()


# --- noises and filters --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NOISES)
def test_noises_have_the_level_that_was_drawn(kind):
    x = noise(4 * RATE).astype(float)
    for seed in range(10):
        y, used = add_noise(x, kind, RATE, np.random.default_rng(seed))
        added = np.sqrt(np.mean((y - x) ** 2))
        if kind == "gaussian_amplitude":
            assert 0.001 <= used["amplitude"] <= 0.015
            assert added == pytest.approx(used["amplitude"], rel=0.02)
        else:
            assert 5 <= used["snr"] <= 40
            assert 20 * np.log10(np.sqrt(np.mean(x**2)) / added) == pytest.approx(used["snr"])


def test_the_slope_of_coloured_noise():
    x = np.ones(2**17)
    for seed in range(3):
        y, used = add_noise(x, "coloured", RATE, np.random.default_rng(seed))
        f, p = dsp.welch(y - x, RATE, nperseg=4096)
        inner = (f > 100) & (f < 7000)
        slope = np.polyfit(np.log2(f[inner]), 10 * np.log10(p[inner]), 1)[0]
        assert slope == pytest.approx(used["decay"], abs=0.3)


def test_a_silent_clip_has_no_ratio():
    y, _ = add_noise(np.zeros(100), "gaussian_snr", RATE, np.random.default_rng(0))
    assert not y.any()


def response(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray, dict]:
    """Frequencies, gain in dB and what was drawn, from the filtered impulse."""
    impulse = np.zeros(2**16)
    impulse[2**15] = 1.0
    y, used = apply_filter(impulse, kind, RATE, np.random.default_rng(seed))
    spectrum = np.fft.rfft(y)
    # Zero phase: the answer to an impulse is even around it.
    assert np.allclose(y[2**15 - 999 : 2**15], y[2**15 + 1 : 2**15 + 1000][::-1], atol=1e-6)
    return np.fft.rfftfreq(y.size, 1 / RATE), 20 * np.log10(np.abs(spectrum) + 1e-9), used


@pytest.mark.parametrize("kind", list(FILTERS))
def test_filters_do_what_their_name_says(kind):
    for seed in range(5):
        f, gain, used = response(kind, seed)
        low, high = FILTERS[kind]
        centre = used["frequency"]
        assert low <= centre <= high

        def at(hz: float, f: np.ndarray = f, gain: np.ndarray = gain) -> float:
            return float(np.interp(hz, f, gain))

        if kind in ("low_pass", "high_pass"):
            # -3 dB each way at the cut-off.
            assert at(centre) == pytest.approx(-6.02, abs=0.1)
            passed, stopped = (20, 7900) if kind == "low_pass" else (7900, 1)
            assert at(passed) == pytest.approx(0, abs=3.1)
            assert at(stopped) < at(passed) - 3
        elif kind.startswith("band"):
            half = centre * used["bandwidth"] / 2
            for edge in (centre - half, centre + half):
                if 20 < edge < 7700:
                    assert at(edge) == pytest.approx(-6.02, abs=0.3)
            inside = at(np.sqrt(max(centre - half, 1.0) * (centre + half)))
            assert (inside > -0.5) == (kind == "band_pass")
        elif kind == "peaking":
            assert at(centre) == pytest.approx(used["gain"], abs=0.2)
        else:
            shelf, flat = (0, 7999) if kind == "low_shelf" else (7999, 0)
            assert at(shelf) == pytest.approx(used["gain"], abs=0.5)
            assert at(flat) == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize(
    ("kind", "independent"),
    [
        ("peaking", torchaudio.functional.equalizer_biquad),
        ("low_shelf", torchaudio.functional.bass_biquad),
        ("high_shelf", torchaudio.functional.treble_biquad),
    ],
)
def test_equalisers_are_those_of_torchaudio(kind, independent):
    x = torch.from_numpy(noise(RATE, 0.01).astype(float))
    if kind == "peaking":
        expected = independent(x, RATE, 1000.0, 9.0, 0.7)
    else:
        expected = independent(x, RATE, 9.0, 1000.0, 0.7)
    ours = dsp.sosfilt(equaliser(kind, 1000.0, 9.0, 0.7, RATE), x.numpy())
    assert np.allclose(ours, expected.numpy(), atol=1e-9)


def test_noise_and_filter_are_drawn_apart():
    effect = build("noise_filter", {}, {}, RATE)
    x = noise(2000)
    seen = []
    for i in range(300):
        y, used = effect.apply(x, utterance_rng(1, 0, str(i)))
        assert y.dtype == np.float32
        assert y.shape == x.shape
        assert np.isfinite(y).all()
        seen.append(("noise" in used, "filter" in used))
    for part in (0, 1):
        assert 0.84 < np.mean([s[part] for s in seen]) < 0.96
    off = build("noise_filter", {"noise_probability": 0, "filter_probability": 0.0}, {}, RATE)
    y, used = off.apply(x, np.random.default_rng(0))
    assert np.array_equal(x, y)
    assert used == {}
    for bad in (2, True, "x"):
        with pytest.raises(ConfigError, match=r"noise_probability must be a number"):
            build("noise_filter", {"noise_probability": bad}, {}, RATE)


@pytest.mark.slow
def test_very_short_clips_pass():
    chain = Chain([{"effect": e} for e in ("trim_silence", "time_mask", "noise_filter")], {}, RATE)
    for n in (1, 2, 5, 50):
        for seed in range(20):
            y, _ = chain(np.full(n, 0.5, np.float32), np.random.default_rng(seed))
            assert 1 <= y.size <= n
