"""Augmentation: closed forms, independent formulas, alignment, and copies that survive a kill."""

import hashlib
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from scipy import signal as dsp

from spoofscope import tables
from spoofscope.audio import read, write
from spoofscope.augmentation import codec, rawboost
from spoofscope.augmentation.chain import Chain, utterance_rng
from spoofscope.augmentation.copies import make_copies
from spoofscope.augmentation.registry import EFFECTS, build
from spoofscope.errors import AudioError, ConfigError, TableError
from spoofscope.options.effects.codec import CodecChoice
from spoofscope.options.effects.rawboost import RawBoostOptions

RATE = 16000
CONSTANTS = RawBoostOptions(algorithm=1)
CODECS = codec.codecs_available()


def speech(seconds: float = 2.0, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Voiced stretches of moving pitch through three formants, and pauses with a noise floor."""
    rng = np.random.default_rng(seed)
    n = int(seconds * rate)
    t = np.arange(n) / rate
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * t + seed)
    pulses = np.diff(np.floor(np.cumsum(pitch) / rate), prepend=0)
    x = pulses + 0.02 * rng.standard_normal(n)
    for frequency, bandwidth in ((600, 80), (1300, 100), (2500, 150)):
        radius = np.exp(-np.pi * bandwidth / rate)
        poles = [1, -2 * radius * np.cos(2 * np.pi * frequency / rate), radius**2]
        x = dsp.lfilter([1], poles, x)
    x = x / np.abs(x).max() * (0.05 + np.clip(np.sin(2 * np.pi * 1.3 * t), 0, 1))
    return (0.4 * x / np.abs(x).max() + 1e-4 * rng.standard_normal(n)).astype(np.float32)


def lag_of(y: np.ndarray, x: np.ndarray) -> int:
    """Samples by which y comes after x."""
    correlation = dsp.correlate(y.astype(float), x.astype(float), method="fft")
    return int(np.argmax(correlation)) - (x.size - 1)


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, Path]:
    """Small folders in the layouts of MUSAN and RIRS_NOISES."""
    root = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(5)
    musan = root / "musan"
    for category, part, count in (
        ("noise", "free-sound", 3),
        ("music", "fma", 2),
        ("speech", "librivox", 8),
    ):
        (musan / category / part).mkdir(parents=True)
        for i in range(count):
            # The last noise is shorter than the clips, and at another rate.
            rate, seconds = (22050, 0.7) if i == 2 and category == "noise" else (RATE, 5)
            x = 0.1 * (i + 1) * rng.uniform(-1, 1, int(rate * seconds))
            write(musan / category / part / f"{category}-{part}-{i:04d}.wav", x, rate)
    rirs = root / "RIRS_NOISES"
    for room in ("smallroom", "mediumroom", "largeroom"):
        folder = rirs / "simulated_rirs" / room / "Room001"
        folder.mkdir(parents=True)
        h = 0.04 * rng.standard_normal(3000) * np.exp(-np.arange(3000) / 500)
        h[:70] = 0
        h[70] = 0.9
        write(folder / "Room001-00001.wav", np.clip(h, -0.9, 0.9), RATE)
    real = rirs / "real_rirs_isotropic_noises"
    real.mkdir()
    stereo = np.zeros((400, 2), dtype=np.float32)
    stereo[[50, 90], [0, 1]] = 0.8
    soundfile.write(real / "RWCP_type1_rir_hall.wav", stereo, RATE)
    write(real / "RVB2014_type1_noise_room1.wav", 0.1 * rng.standard_normal(8000), RATE)
    return {"musan": musan, "rirs": rirs}


def apply_one(step, sources, x, seed=0):
    y, applied = Chain([step], sources, RATE)(x, np.random.default_rng(seed))
    assert len(applied) == 1
    assert y.dtype == np.float32
    assert y.shape == x.shape
    return y, applied[0]


# ---------------------------------------------------------------- MUSAN


@pytest.mark.parametrize(
    ("category", "low", "high", "most"), [("noise", 0, 15, 1), ("music", 5, 15, 1)]
)
def test_musan_mixes_at_the_snr_it_reports(sources, category, low, high, most):
    x = 0.1 * speech()
    for seed in range(8):
        step = {"effect": "musan", "categories": {category: [low, high]}}
        y, used = apply_one(step, sources, x, seed)
        noise = y.astype(float) - x
        measured = 10 * np.log10(np.mean(x.astype(float) ** 2) / np.mean(noise**2))
        assert measured == pytest.approx(used["snr"], abs=0.01)
        assert low <= used["snr"] <= high
        assert len(used["files"]) == most
        assert used["files"][0]["file"].startswith(f"{category}/")


def test_babble_sums_three_to_seven_voices_at_the_snr_asked(sources):
    x = 0.1 * speech()
    counts = set()
    for seed in range(30):
        step = {"effect": "musan", "categories": {"speech": [15, 15]}}
        y, used = apply_one(step, sources, x, seed)
        noise = y.astype(float) - x
        assert 10 * np.log10(np.mean(x.astype(float) ** 2) / np.mean(noise**2)) == pytest.approx(
            15, abs=0.01
        )
        counts.add(len(used["files"]))
        assert len({entry["file"] for entry in used["files"]}) == len(used["files"])
    assert counts == {3, 4, 5, 6, 7}


def test_musan_adds_the_stretch_that_it_names(sources):
    x = 0.1 * speech()
    step = {"effect": "musan", "categories": {"music": [10, 10]}}
    y, used = apply_one(step, sources, x)
    entry = used["files"][0]
    noise, _ = read(sources["musan"] / entry["file"])
    start = round(entry["start"] * RATE)
    stretch = noise[start : start + x.size].astype(float)
    assert np.corrcoef(stretch, y.astype(float) - x)[0, 1] > 0.9999


def test_short_noise_is_repeated(tmp_path):
    (tmp_path / "noise").mkdir()
    write(tmp_path / "noise" / "a.wav", 0.1 * np.random.default_rng(0).uniform(-1, 1, 1000), RATE)
    x = 0.1 * speech(1.0)
    step = {"effect": "musan", "categories": {"noise": [0, 0]}}
    y, _ = apply_one(step, {"musan": tmp_path}, x)
    noise = y.astype(float) - x
    np.testing.assert_allclose(noise[:1000], noise[1000:2000], atol=1e-6)


def test_silent_clip_and_silent_noise(sources, tmp_path):
    step = {"effect": "musan", "categories": {"noise": [0, 15]}}
    silent = np.zeros(RATE, dtype=np.float32)
    y, used = apply_one(step, sources, silent)
    assert not y.any()
    assert used["skipped"] == "silent clip"
    (tmp_path / "noise").mkdir()
    write(tmp_path / "noise" / "zero.wav", np.zeros(RATE), RATE)
    with pytest.raises(AudioError, match=r"zero\.wav.*digital silence"):
        apply_one(step, {"musan": tmp_path}, speech())


# ---------------------------------------------------------------- rooms


def test_unit_impulse_response_is_the_identity(tmp_path):
    folder = tmp_path / "simulated_rirs" / "smallroom" / "Room001"
    folder.mkdir(parents=True)
    impulse = np.zeros(800)
    impulse[123] = 0.5
    write(folder / "Room001-00001.wav", impulse, RATE)
    x = speech()
    y, used = apply_one({"effect": "rir", "rooms": ["smallroom"]}, {"rirs": tmp_path}, x)
    np.testing.assert_allclose(y, x, atol=1e-6)
    assert used["file"] == "simulated_rirs/smallroom/Room001/Room001-00001.wav"


def test_room_keeps_time_level_and_matches_direct_convolution(sources):
    x = 0.3 * speech()
    y, used = apply_one({"effect": "rir", "rooms": ["largeroom"]}, sources, x)
    h, _ = read(sources["rirs"] / used["file"])
    expected = np.convolve(x.astype(float), h.astype(float))[70 : 70 + x.size]
    expected *= np.linalg.norm(x) / np.linalg.norm(expected)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    assert np.linalg.norm(y) == pytest.approx(np.linalg.norm(x), rel=1e-5)
    assert abs(lag_of(y, x)) <= 1


def test_real_responses_draw_a_channel_and_leave_out_the_noises(sources):
    x = 0.3 * speech()
    channels = set()
    for seed in range(12):
        y, used = apply_one({"effect": "rir", "rooms": ["real"]}, sources, x, seed)
        assert used["file"].endswith("RWCP_type1_rir_hall.wav")
        np.testing.assert_allclose(y, x, atol=1e-6)
        channels.add(used["channel"])
    assert channels == {0, 1}


# ---------------------------------------------------------------- copies of a published baseline


@pytest.mark.parametrize(
    ("copy", "n_voices"), [("reverb", 0), ("speech", 1), ("music", 2), ("noise", 3)]
)
def test_stacked_copies_are_those_of_the_released_baseline(sources, copy, n_voices):
    x = 0.3 * speech(1.0)
    effect = build("stacked", {"copy": copy}, sources, RATE)
    y, used = effect.apply(x, np.random.default_rng(4))
    # Its formulas: a response of energy 1, then voices with 1e-4 added to the mean squares.
    h, _ = read(sources["rirs"] / used["room"])
    expected = np.convolve(x, h / np.sqrt((h**2).sum()))[: x.size]
    assert len(used["voices"]) == n_voices
    for voice in used["voices"]:
        assert voice["file"].startswith("speech/")
        assert 13 <= voice["snr"] <= 20
        noise, _ = read(sources["musan"] / voice["file"])
        noise = noise[: x.size]
        levels = [10 * np.log10((signal**2).mean() + 1e-4) for signal in (expected, noise)]
        gain = np.sqrt(10 ** ((levels[0] - levels[1] - voice["snr"]) / 10))
        expected = expected + gain * noise
    np.testing.assert_allclose(y, expected, atol=1e-5)
    assert abs(lag_of(y, x) - 70) <= 2  # the delay of the response stays
    with pytest.raises(ConfigError, match="copy"):
        build("stacked", {"copy": "babble"}, sources, RATE)
    with pytest.raises(ConfigError, match=r"noise\.musan"):
        build("stacked", {"copy": copy}, {"rirs": sources["rirs"]}, RATE)


# ---------------------------------------------------------------- RawBoost


def test_notch_filter_is_a_cascade_of_band_stops():
    c = CONSTANTS
    for seed in range(5):
        taps, gain = rawboost.notch_filter(c, (-20.0, -5.0), RATE, np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        expected = np.ones(1)
        for _ in range(5):
            centre, width = rng.uniform(20, 8000), rng.uniform(100, 1000)
            length = int(rng.uniform(10, 100)) // 2 * 2 + 1
            edges = np.clip([centre - width / 2, centre + width / 2], 1e-3, 8000 - 1e-3)
            stop = dsp.firwin(length, edges, pass_zero="bandstop", window="hamming", fs=RATE)
            expected = np.convolve(expected, stop)
        assert gain == rng.uniform(-20, -5)
        _, response = dsp.freqz(expected)
        np.testing.assert_allclose(
            taps, expected / np.abs(response).max() * 10 ** (gain / 20), atol=1e-9
        )
        np.testing.assert_allclose(taps, taps[::-1], atol=1e-12)


def test_convolutive_noise_against_lfilter():
    c = CONSTANTS
    x = speech(0.5).astype(float)
    y, used = rawboost.convolutive(x, c, RATE, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    expected = np.zeros_like(x)
    for order in range(1, 6):
        taps, gain = rawboost.notch_filter(c, (0, 0) if order == 1 else (-20, -5), RATE, rng)
        half = (taps.size - 1) // 2
        expected += dsp.lfilter(taps, [1], np.pad(x**order, (0, half)))[half:]
        assert used["gains"][order - 1] == gain
    expected -= expected.mean()
    expected /= max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(y, expected, atol=1e-10)
    assert used["gains"][0] == 0
    assert all(-20 <= gain <= -5 for gain in used["gains"][1:])


def test_impulsive_noise_is_sparse_and_bounded():
    x = speech().astype(float)
    counts = []
    for seed in range(40):
        y, used = rawboost.impulsive(x, CONSTANTS, np.random.default_rng(seed))
        changed = y != x
        assert changed.sum() <= used["impulses"] <= 0.1 * x.size
        assert np.all(np.abs(y - x) <= 2 * np.abs(x) + 1e-15)
        counts.append(used["impulses"] / x.size)
    assert np.mean(counts) == pytest.approx(0.05, abs=0.015)
    loud = 0.999 * np.sign(x)
    y, used = rawboost.impulsive(loud, CONSTANTS, np.random.default_rng(0))
    assert np.abs(y).max() == pytest.approx(1.0)


def test_stationary_noise_has_the_snr_reported():
    x = speech().astype(float)
    for seed in range(10):
        y, used = rawboost.stationary(x, CONSTANTS, RATE, np.random.default_rng(seed))
        snr = 20 * np.log10(np.linalg.norm(x) / np.linalg.norm(y - x))
        assert snr == pytest.approx(used["snr"], abs=1e-9)
        assert 10 <= used["snr"] <= 40


@pytest.mark.parametrize("algorithm", range(1, 9))
def test_rawboost_algorithms_compose_the_three_parts(algorithm):
    c = CONSTANTS
    x = speech()
    effect = build("rawboost", {"algorithm": algorithm}, {}, RATE)
    y, used = effect.apply(x, np.random.default_rng(11))
    rng = np.random.default_rng(11)
    signal_ = x.astype(float)
    parts = {1: "L", 2: "I", 3: "S", 4: "LIS", 5: "LI", 6: "LS", 7: "IS"}.get(algorithm)
    if parts is None:
        signal_ = (
            rawboost.convolutive(signal_, c, RATE, rng)[0] + rawboost.impulsive(signal_, c, rng)[0]
        )
        signal_ = signal_ / max(1.0, np.abs(signal_).max())
        keys = {"algorithm", "gains", "impulses"}
    else:
        keys = {"algorithm"}
        for part in parts:
            if part == "L":
                signal_, _ = rawboost.convolutive(signal_, c, RATE, rng)
            elif part == "I":
                signal_, _ = rawboost.impulsive(signal_, c, rng)
            else:
                signal_, _ = rawboost.stationary(signal_, c, RATE, rng)
            keys.add({"L": "gains", "I": "impulses", "S": "snr"}[part])
    np.testing.assert_array_equal(y, signal_.astype(np.float32))
    assert set(used) == keys
    assert y.shape == x.shape
    assert np.isfinite(y).all()
    assert abs(lag_of(y, x)) <= 1


# ---------------------------------------------------------------- codecs


def mulaw_g711(x: np.ndarray) -> np.ndarray:
    """G.711 mu-law of 16-bit samples by the segment rule, scalar on purpose."""
    out = []
    for value in np.round(x * 32768).astype(int):
        magnitude = min(abs(int(value)), 32635) + 132
        exponent = max(0, magnitude.bit_length() - 8)
        mantissa = (magnitude >> (exponent + 3)) & 15
        level = (((mantissa << 3) + 132) << exponent) - 132
        out.append(-level if value < 0 else level)
    return np.array(out) / 32768


def alaw_g711(x: np.ndarray) -> np.ndarray:
    """G.711 A-law of 16-bit samples by the segment rule, on 12 bits of magnitude."""
    out = []
    for value in np.round(x * 32768).astype(int):
        magnitude = int(-value - 1 if value < 0 else value) >> 3
        exponent = max(1, magnitude.bit_length() - 5)
        level = ((magnitude >> exponent) << exponent) + (1 << (exponent - 1))
        out.append(-level * 8 if value < 0 else level * 8)
    return np.array(out) / 32768


@pytest.mark.parametrize(("name", "law"), [("mulaw", mulaw_g711), ("alaw", alaw_g711)])
def test_g711_against_the_segment_rule(name, law):
    x = np.concatenate([speech(0.3), np.linspace(-0.99, 0.99, 5000, dtype=np.float32)])
    y = codec.round_trip(x, RATE, codec.Setting(name, RATE))
    difference = np.abs(y - law(x))
    # FFmpeg encodes through a table; next to the edge of a step it may take the neighbour,
    # and steps are at most a sixteenth of the level.
    assert np.mean(difference < 1e-7) > 0.95
    assert np.all(difference <= np.abs(x) / 16 + 0.001)


LEAST_CORRELATION = {
    "aac": 0.97,
    "alaw": 0.97,
    "amr_nb": 0.75,
    "g722": 0.98,
    "gsm": 0.9,
    "mp3": 0.97,
    "mulaw": 0.97,
    "opus": 0.9,
    "vorbis": 0.97,
}


def test_every_codec_has_a_bound():
    assert set(CODECS) <= set(LEAST_CORRELATION)


@pytest.mark.parametrize("name", CODECS)
def test_codec_keeps_length_time_and_waveform(name):
    x = speech(3.0)
    y, used = apply_one({"effect": "codec", "codecs": [{"name": name}]}, {}, x)
    assert used["codec"] == name
    assert abs(lag_of(y, x)) < RATE / 1000
    assert np.corrcoef(x, y)[0, 1] > LEAST_CORRELATION[name]
    assert not np.array_equal(x, y)
    assert np.linalg.norm(y) == pytest.approx(np.linalg.norm(x), rel=0.2)


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("n", [1, 7, 1000])
def test_codec_on_tiny_clips_and_at_the_clip_s_end(name, n):
    setting = codec.Setting.from_options(CodecChoice.from_dict({"name": name}))
    assert codec.round_trip(speech(1.0)[8000 : 8000 + n], RATE, setting).shape == (n,)


def test_codec_of_long_clip_and_high_rate():
    # libsndfile's Vorbis crashed on blocks of this length.
    setting = codec.Setting.from_options(
        CodecChoice.from_dict({"name": "vorbis", "sample_rate": 48000})
    )
    x = np.tile(speech(5.0), 16)
    assert np.corrcoef(codec.round_trip(x, RATE, setting), x)[0, 1] > 0.97


def test_lower_bit_rate_costs_more():
    x = speech(3.0)
    for name in ("mp3", "opus", "aac"):
        errors = [
            np.linalg.norm(codec.round_trip(x, RATE, codec.Setting(name, RATE, rate)) - x)
            for rate in (12000, 64000)
        ]
        assert errors[0] > errors[1]


def test_codec_at_another_rate_of_the_chain():
    x = speech(2.0, rate=24000)
    y = codec.round_trip(x, 24000, codec.Setting("opus", 16000, 24000))
    assert y.shape == x.shape
    assert abs(lag_of(y, x)) <= 24


def test_codec_that_the_installation_lacks_names_what_there_is():
    assert "mulaw" in CODECS
    missing = [name for name in ("speex", "amr_wb") if name not in CODECS]
    for name in missing:
        with pytest.raises(ConfigError, match=f"{name}.*it offers .*mulaw"):
            build("codec", {"codecs": [{"name": name}]}, {}, RATE)


def test_a_library_without_the_encoder_is_noticed(monkeypatch):
    absent = codec._Codec("ffmpeg", "libnosuch", "pcm_mulaw", (8000,))
    monkeypatch.setitem(codec._CODECS, "mulaw", absent)
    with pytest.raises(ConfigError, match=r"has no libnosuch; it offers aac"):
        build("codec", {"codecs": [{"name": "mulaw"}]}, {}, RATE)


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"effect": "musna"}, "did you mean 'musan'"),
        ({"effect": "musan", "categorys": {}}, "did you mean 'categories'"),
        ({"effect": "musan", "categories": {"noises": [0, 1]}}, "did you mean 'noise'"),
        ({"effect": "musan", "categories": {"noise": [5, 1]}}, r"categories\.noise"),
        ({"effect": "musan", "categories": {"noise": [5, math.nan]}}, r"categories\.noise"),
        ({"effect": "musan", "categories": {}}, "categories"),
        ({"effect": "musan", "voices": [0, 3]}, "voices"),
        ({"effect": "musan", "probability": 1.5}, "probability must be a number .* not 1.5"),
        ({"effect": "rir", "rooms": ["smalroom"]}, "did you mean 'smallroom'"),
        ({"effect": "rir", "rooms": []}, "rooms"),
        ({"effect": "rawboost"}, "key 'algorithm' is missing"),
        ({"effect": "rawboost", "algorithm": 9}, "algorithm"),
        ({"effect": "rawboost", "algorithm": 1, "snrs": [1, 2]}, "did you mean 'snr'"),
        ({"effect": "rawboost", "algorithm": 1, "impulses": 101}, "impulses"),
        ({"effect": "rawboost", "algorithm": 1, "taps": [2.5, 9]}, "taps"),
        ({"effect": "rawboost", "algorithm": 1, "centre": [9000, 9500]}, "centre"),
        ({"effect": "codec"}, "codecs"),
        ({"effect": "codec", "codecs": [{"name": "mulow"}]}, "did you mean 'mulaw'"),
        ({"effect": "codec", "codecs": [{"name": "mulaw", "bit_rate": 1}]}, "bit_rate"),
        ({"effect": "codec", "codecs": [{"name": "opus", "sample_rate": 44100}]}, "44100"),
        (
            {"effect": "codec", "codecs": [{"name": "amr_nb", "bit_rate": 9000}]},
            "possible are 4750",
        ),
        ({"effect": "codec", "codecs": [{"name": "mp3", "bit_rate": "fast"}]}, "bit_rate"),
        ({"effect": "codec", "codecs": [{"name": "vorbis", "quality": 5}]}, "quality"),
        ({"probability": 1}, "no effect"),
    ],
)
def test_bad_options_are_named(sources, step, message):
    with pytest.raises(ConfigError, match=message) as caught:
        Chain([{"effect": "rawboost", "algorithm": 2}, step], sources, RATE)
    assert "step 2" in str(caught.value)


def test_missing_and_empty_sources_name_the_key(tmp_path):
    with pytest.raises(ConfigError, match=r"noise\.musan"):
        build("musan", {}, {}, RATE)
    with pytest.raises(ConfigError, match=r"noise\.rirs"):
        build("rir", {}, {"rirs": tmp_path / "absent"}, RATE)
    with pytest.raises(ConfigError, match=r"noise\.musan: no audio file"):
        build("musan", {}, {"musan": tmp_path}, RATE)
    with pytest.raises(ConfigError, match=r"noise\.rirs: no audio file"):
        build("rir", {"rooms": ["real"]}, {"rirs": tmp_path}, RATE)
    with pytest.raises(ConfigError, match="at least one step"):
        Chain([], {}, RATE)


def test_the_folder_above_the_archives_will_do(sources):
    above = sources["musan"].parent
    for effect in ("musan", "rir"):
        build(effect, {}, {"musan": above, "rirs": above}, RATE)


@pytest.mark.slow
def test_registry_needs_no_torch():
    code = (
        "import sys; from spoofscope.augmentation import chain, copies; "
        "from spoofscope.augmentation.registry import EFFECTS; "
        "assert 'av' not in sys.modules, 'av'; "
        "chain.Chain([{'effect': 'codec', 'codecs': [{'name': 'mulaw'}]}], {}, 16000); "
        "assert 'torch' not in sys.modules, 'torch'; print(EFFECTS.available())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(EFFECTS.available())
    assert EFFECTS.available() == [
        *("band", "codec", "compressor", "dc", "enhance", "gain", "leading_silence", "length"),
        *("level", "musan", "noise_filter", "rawboost", "resample", "rir", "speed", "stacked"),
        *("time_mask", "trim_silence", "watermark"),
    ]


# ---------------------------------------------------------------- chain

STEPS = [
    {"effect": "rir", "probability": 0.5},
    {"effect": "musan", "probability": 0.7},
    {"effect": "rawboost", "probability": 0.5, "algorithm": 5},
    {
        "effect": "codec",
        "probability": 0.5,
        "codecs": [{"name": "mulaw"}, {"name": "mp3", "bit_rate": 24000}, {"name": "opus"}],
    },
]


def test_chain_takes_steps_in_order_with_their_probability(sources):
    cheap = [
        {"effect": "rawboost", "probability": 0.3, "algorithm": 2},
        {"effect": "rir", "probability": 0.8, "rooms": ["smallroom"]},
        {"effect": "rawboost", "probability": 0.0, "algorithm": 3},
    ]
    chain = Chain(cheap, sources, RATE)
    x = speech(0.1)
    taken = [chain(x, utterance_rng(1, 0, str(i)))[1] for i in range(400)]
    first = np.mean([any(e["effect"] == "rawboost" for e in steps) for steps in taken])
    second = np.mean([any(e["effect"] == "rir" for e in steps) for steps in taken])
    assert first == pytest.approx(0.3, abs=0.07)
    assert second == pytest.approx(0.8, abs=0.06)
    both = [[e["effect"] for e in steps] for steps in taken if len(steps) == 2]
    assert both
    assert all(names == ["rawboost", "rir"] for names in both)
    assert all("snr" not in e for steps in taken for e in steps)


def test_chain_scales_down_and_never_clips(sources):
    x = speech()
    x = x / np.abs(x).max()
    step = {"effect": "musan", "categories": {"noise": [0, 0]}}
    y, applied = Chain([step], sources, RATE)(x, np.random.default_rng(0))
    assert np.abs(y).max() <= 1.0
    noisy, _ = build("musan", {"categories": {"noise": [0, 0]}}, sources, RATE).apply(
        # The chain draws once to decide whether it takes the step.
        x,
        _after_one_draw(0),
    )
    assert np.abs(noisy).max() > 1.0
    np.testing.assert_allclose(y, noisy * applied[0]["gain"], atol=1e-6)
    quiet, applied = Chain([step], sources, RATE)(0.01 * x, np.random.default_rng(0))
    assert "gain" not in applied[0]
    np.testing.assert_allclose(quiet, 0.01 * noisy, atol=1e-6)


def _after_one_draw(seed: int) -> np.random.Generator:
    rng = np.random.default_rng(seed)
    rng.random()
    return rng


def test_chain_refuses_what_is_no_signal(sources):
    chain = Chain([{"effect": "rawboost", "algorithm": 2}], {}, RATE)
    for bad in (np.zeros(0), np.zeros((2, 5)), np.array([0.0, np.nan])):
        with pytest.raises(AudioError, match="finite mono"):
            chain(bad.astype(np.float32), np.random.default_rng(0))


def test_generator_depends_on_seed_epoch_and_utterance_only(sources):
    chain = Chain(STEPS[1:3], sources, RATE)
    x = speech()
    results = {
        key: chain(x, utterance_rng(*key))
        for key in [(1, 0, "a"), (1, 1, "a"), (2, 0, "a"), (1, 0, "b")]
    }
    again = chain(x, utterance_rng(1, 0, "a"))
    np.testing.assert_array_equal(again[0], results[1, 0, "a"][0])
    assert again[1] == results[1, 0, "a"][1]
    assert len({json.dumps(applied) for _, applied in results.values()}) == 4


def test_parameters_are_json_and_effects_keep_length(sources):
    chain = Chain([{**step, "probability": 1.0} for step in STEPS], sources, RATE)
    x = speech(1.3)
    for i in range(10):
        y, applied = chain(x, utterance_rng(3, 0, str(i)))
        assert y.shape == x.shape
        assert json.loads(json.dumps(applied, allow_nan=False)) == applied
        assert [entry["effect"] for entry in applied] == ["rir", "musan", "rawboost", "codec"]


# ---------------------------------------------------------------- copies


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Twelve clips, some of them at 8 kHz, with segments."""
    root = tmp_path_factory.mktemp("corpus")
    rows, segments = [], []
    for i in range(12):
        rate = 8000 if i % 4 == 3 else RATE
        path = root / f"u{i}.flac"
        x = speech(0.6 + 0.05 * i, seed=i, rate=rate)
        write(path, x, rate)
        utt_id = f"part/{i}" if i == 5 else f"u{i}"
        rows.append(
            {
                "utt_id": utt_id,
                "path": str(path),
                "split": "train",
                "label": "spoof" if i % 2 else "bonafide",
                "attack": "A01" if i % 2 else "-",
                "speaker": f"s{i % 3}",
                "duration": x.size / rate,
                "sample_rate": rate,
                "codec": "-",
            }
        )
        segments.append(
            {"utt_id": utt_id, "start": 0.1, "end": 0.3, "tier": "artefact", "label": "x"}
        )
    segments.append({"utt_id": "elsewhere", "start": 0.1, "end": 0.3, "tier": "word", "label": "y"})
    return pl.DataFrame(rows), pl.DataFrame(segments)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_copies_are_the_same_for_any_number_and_order_of_workers(sources, corpus, tmp_path):
    manifest, segments = corpus
    chain = Chain(STEPS, sources, RATE)
    one, one_segments = make_copies(
        manifest, chain, tmp_path / "one", "noisy", 7, segments=segments
    )
    shuffled = manifest.sample(fraction=1.0, shuffle=True, seed=3)
    three, _ = make_copies(shuffled, chain, tmp_path / "three", "noisy", 7, workers=3)
    other, _ = make_copies(manifest, chain, tmp_path / "other", "noisy", 8)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    assert contents(tmp_path / "one") != contents(tmp_path / "other")
    columns = [c for c in one.columns if c != "path"]
    assert one.select(columns).sort("utt_id").equals(three.select(columns).sort("utt_id"))
    assert one["augmentation"].to_list() != other["augmentation"].to_list()

    assert one["utt_id"].to_list() == [f"noisy-{u}" for u in manifest["utt_id"]]
    assert one["source_utt"].to_list() == manifest["utt_id"].to_list()
    assert one.drop("source_utt", "augmentation").columns == manifest.columns
    assert one["label"].equals(manifest["label"])
    for row in one.iter_rows(named=True):
        x, rate = read(row["path"])
        assert (rate, x.size / rate) == (row["sample_rate"], row["duration"])
        json.loads(row["augmentation"])
    np.testing.assert_allclose(one["duration"], manifest["duration"], atol=1 / RATE)

    assert one_segments is not None
    assert one_segments["utt_id"].to_list() == one["utt_id"].to_list()
    assert one_segments.drop("utt_id").equals(segments.drop("utt_id").head(12))
    tables.write_manifest(tmp_path / "manifest.tsv", one)
    assert tables.read_manifest(tmp_path / "manifest.tsv").select(one.columns).equals(one)


def test_finished_copies_are_kept_and_changed_ones_made_again(sources, corpus, tmp_path):
    manifest = corpus[0].head(3)
    chain = Chain(STEPS, sources, RATE)
    first, _ = make_copies(manifest, chain, tmp_path, "noisy", 7)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    reference = contents(tmp_path)
    (tmp_path / "noisy-u1.flac").unlink()
    (tmp_path / "noisy-u2.flac").write_bytes(b"fLaC")
    (tmp_path / ".noisy-u1.99999.tmp.flac").write_bytes(b"half")
    again, _ = make_copies(manifest, chain, tmp_path, "noisy", 7)
    assert contents(tmp_path) == reference
    assert again.equals(first)
    kept = tmp_path / "noisy-u0.flac"
    assert kept.stat().st_mtime_ns == before[kept]
    make_copies(manifest, chain, tmp_path, "noisy", 8)
    assert contents(tmp_path)["noisy-u0.flac"] != reference["noisy-u0.flac"]


def test_copies_of_other_classes_are_the_same_signal(corpus, tmp_path):
    labels = ["bonafide", "spoof"]
    manifest = corpus[0].head(2).with_columns(pl.Series("label", labels))
    chain = Chain([{"effect": "gain", "gain": [-20, -20]}], {}, RATE)
    made, _ = make_copies(manifest, chain, tmp_path, "marked", 7, classes=["spoof"])
    for label, source, copy in zip(labels, manifest["path"], made["path"], strict=True):
        factor = 0.1 if label == "spoof" else 1
        assert read(copy)[0] == pytest.approx(factor * read(source, RATE)[0], abs=2**-15)
    assert made["augmentation"].to_list() == ["[]", '[{"effect":"gain","gain_db":-20.0}]']


def test_ids_that_are_longer_than_names_of_files_may_be(sources, corpus, tmp_path):
    ids = [f"{'漢' * 100}{end}" for end in "ab"]
    manifest = corpus[0].head(2).with_columns(pl.Series("utt_id", ids))
    made, _ = make_copies(manifest, Chain(STEPS, sources, RATE), tmp_path, "noisy", 7)
    assert made["utt_id"].to_list() == [f"noisy-{utt_id}" for utt_id in ids]
    assert made["path"].n_unique() == 2
    for path, seconds in made.select("path", "duration").iter_rows():
        assert read(path)[0].size == round(seconds * RATE)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9, -1])
def test_a_damaged_copy_is_made_again(sources, corpus, tmp_path, place):
    """One bit, anywhere: in the header, in the words, in the samples, in the last frame."""
    manifest = corpus[0].head(1).with_columns(sha256=pl.lit("of the source"))
    chain = Chain(STEPS, sources, RATE)
    first, _ = make_copies(manifest, chain, tmp_path, "noisy", 7)
    path = tmp_path / "noisy-u0.flac"
    whole = path.read_bytes()
    assert first["sha256"].to_list() == [hashlib.sha256(whole).hexdigest()]
    damaged = bytearray(whole)
    damaged[int(place * len(whole)) if place > 0 else -1] ^= 4
    path.write_bytes(damaged)
    again, _ = make_copies(manifest, chain, tmp_path, "noisy", 7)
    assert path.read_bytes() == whole
    assert again.equals(first)


def test_copies_of_other_code_or_noise_are_made_again(sources, corpus, tmp_path, monkeypatch):
    manifest = corpus[0].head(2)
    chain = Chain(STEPS, sources, RATE)
    make_copies(manifest, chain, tmp_path, "noisy", 7, made_by="before")
    monkeypatch.setattr(Chain, "__call__", lambda self, x, rng: (0 * x, []))
    make_copies(manifest, chain, tmp_path, "noisy", 7, made_by="after")
    assert not read(tmp_path / "noisy-u0.flac")[0].any()


KILLED = """
import sys
import time
from pathlib import Path
import polars as pl
from spoofscope.augmentation import copies
from spoofscope.augmentation.chain import Chain

class Stuck(Chain):
    calls = 0

    def __call__(self, x, rng):
        self.calls += 1
        if self.calls > 5:
            time.sleep(600)
        return super().__call__(x, rng)

manifest = pl.read_csv(sys.argv[1], separator="\\t")
chain = Stuck([{"effect": "rawboost", "algorithm": 5}], {}, 16000)
copies.make_copies(manifest, chain, Path(sys.argv[2]), "noisy", 7, workers=2)
"""


@pytest.mark.slow
def test_copies_resume_after_a_kill(corpus, tmp_path):
    manifest, _ = corpus
    chain = Chain([{"effect": "rawboost", "algorithm": 5}], {}, RATE)
    make_copies(manifest, chain, tmp_path / "whole", "noisy", 7)
    manifest.write_csv(tmp_path / "m.tsv", separator="\t")
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    out = tmp_path / "out"
    child = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "m.tsv"), str(out)], env=dict(os.environ)
    )
    deadline = time.monotonic() + 60
    while len(list(out.glob("noisy-*.flac"))) < 3:
        assert child.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    survivors = {p.name: p.stat().st_mtime_ns for p in out.glob("noisy-*.flac")}
    assert 3 <= len(survivors) < manifest.height
    assert all((out / n).read_bytes() == (tmp_path / "whole" / n).read_bytes() for n in survivors)
    make_copies(manifest, chain, out, "noisy", 7, workers=3)
    assert contents(out) == contents(tmp_path / "whole")
    assert all((out / n).stat().st_mtime_ns == made for n, made in survivors.items())


def test_copies_refuse_bad_input(sources, corpus, tmp_path):
    manifest, _ = corpus
    chain = Chain([{"effect": "rawboost", "algorithm": 2}], {}, RATE)
    with pytest.raises(ConfigError, match="workers"):
        make_copies(manifest, chain, tmp_path, "n", 1, workers=0)
    with pytest.raises(TableError, match="no utterances"):
        make_copies(manifest.head(0), chain, tmp_path, "n", 1)
    copied, _ = make_copies(manifest.head(1), chain, tmp_path, "n", 1)
    with pytest.raises(TableError, match="source_utt"):
        make_copies(copied, chain, tmp_path, "n", 1)
    absent = manifest.head(1).with_columns(pl.lit("nowhere.flac").alias("path"))
    with pytest.raises(AudioError, match=r"nowhere\.flac"):
        make_copies(absent, chain, tmp_path, "n", 1)


def test_copies_below_the_working_directory_get_relative_paths(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chain = Chain([{"effect": "rawboost", "algorithm": 2}], {}, RATE)
    copied, _ = make_copies(corpus[0].head(1), chain, Path("results/copies"), "n", 1)
    assert copied["path"].to_list() == ["results/copies/n-u0.flac"]


def test_global_random_state_is_neither_used_nor_touched(sources):
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    state = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    chain = Chain([{**step, "probability": 1.0} for step in STEPS], sources, RATE)
    first = chain(speech(), utterance_rng(1, 0, "a"))[0]
    assert random.getstate() == state[0]
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002
    random.seed(2)
    np.random.seed(2)  # noqa: NPY002
    np.testing.assert_array_equal(chain(speech(), utterance_rng(1, 0, "a"))[0], first)
