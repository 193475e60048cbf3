"""Recordings of another kind are told from those of the training, however short or cut."""

import functools

import numpy as np
import pytest

from spoofscope.augmentation.codec import Setting, round_trip
from spoofscope.corpora.mini.talker import Silences, make_sentence, make_speaker, speak
from spoofscope.detector import Detector
from spoofscope.errors import DetectorError
from spoofscope.likeness import (
    Describer,
    Description,
    Likeness,
    Piece,
    describe,
    fit_likeness,
    halves,
)
from spoofscope.options.effects.codec import CodecChoice
from spoofscope.windows import InputPolicy
from test_quality import speech_like

RATE = 16000


def syllables(seconds, seed=0):
    """Noise that falls by 6 dB per octave, in syllables of any rate, depth and phase."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    noise = np.fft.irfft(spectrum / np.maximum(np.fft.rfftfreq(n, 1 / RATE), 100), n)
    phase = 2 * np.pi * (rng.uniform(2, 5) * np.arange(n) / RATE + rng.random())
    clip = noise * np.maximum(np.sin(phase), 10 ** rng.uniform(-2, -1))
    return (0.05 * clip / np.sqrt(np.mean(clip**2))).astype(np.float32)


def description(clip, block=10**9, rate=RATE):
    describer = Describer(rate)
    for _ in describer.heard(clip[i : i + block] for i in range(0, clip.size, block)):
        pass
    return describer.description()


@functools.cache
def training(n=100, seconds=1.5):
    """Recordings, and their speakers."""
    clips = [syllables(seconds, seed=i) for i in range(n)]
    described = [
        {"seconds": description(clip).pieces, "halves": halves(clip[RATE // 4 :][:RATE], RATE)}
        for clip in clips
    ]
    return described, [f"s{i % 6}" for i in range(n)]


@pytest.fixture(scope="module")
def likeness():
    return fit_likeness(*training())


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.5, 0.8, 1.0, 1.5, 4.2])
def test_the_like_pass_and_the_unlike_do_not_at_any_length(likeness, seconds):
    like = [likeness.distance(description(syllables(seconds, seed=1000 + i))) for i in range(20)]
    assert np.mean(np.array(like) > 1) <= 0.1
    rng = np.random.default_rng(1)
    n = round(seconds * RATE)
    time = np.arange(n) / RATE
    for unlike in (
        0.05 * rng.standard_normal(n),
        0.1 * np.sin(2 * np.pi * 300 * time),
        0.05 * np.sign(np.sin(2 * np.pi * 150 * time)),
    ):
        assert likeness.distance(description(unlike.astype(np.float32))) > 1


def test_more_above_the_band_of_telephones_is_foreign_and_less_is_not():
    described, speakers = training()
    # As if all had been resampled from 8 kHz.
    narrow = [
        {
            kind: [piece._replace(upper=piece.upper * 0 - 80) for piece in pieces]
            for kind, pieces in d.items()
        }
        for d in described
    ]
    wide_clip, of_narrow = description(syllables(1.5, seed=2000)), fit_likeness(narrow, speakers)
    assert of_narrow.distance(wide_clip) > 1
    narrow_clip = wide_clip._replace(
        pieces=[piece._replace(upper=piece.upper * 0 - 80) for piece in wide_clip.pieces]
    )
    of_wide = fit_likeness(described, speakers)
    assert of_wide.distance(narrow_clip) == pytest.approx(of_wide.distance(wide_clip), abs=0.3)
    assert of_wide.distance(narrow_clip) < 1


@pytest.mark.parametrize("seconds", [0.02, 0.3, 0.99, 1.0, 2.5, 3.0])
@pytest.mark.parametrize("block", [1000, 16000, 40001])
def test_descriptions_do_not_depend_on_the_blocks(seconds, block):
    clip = speech_like(seconds)
    whole, parts = description(clip), description(clip, block)
    assert whole.kind == parts.kind == ("seconds" if seconds >= 1 else "halves")
    assert len(whole.pieces) == len(parts.pieces)
    for a, b in zip(whole.pieces, parts.pieces, strict=True):
        assert np.array_equal(a.motion, b.motion)
        assert np.array_equal(a.upper, b.upper)


def test_pieces_cover_the_recording_and_end_with_it():
    clip = speech_like(2.5)
    expected = [clip[:RATE], clip[RATE : 2 * RATE], clip[-RATE:]]
    for piece, samples in zip(description(clip).pieces, expected, strict=True):
        assert np.array_equal(piece.motion, describe(samples, RATE).motion)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000])
def test_any_sound_at_any_rate_has_a_finite_description(rate):
    rng = np.random.default_rng(0)
    for n in (1, 2, 50, rate // 3, rate):
        for clip in (np.zeros(n), np.ones(n), rng.standard_normal(n), np.eye(1, n)[0]):
            piece = describe(clip.astype(np.float32), rate)
            assert np.isfinite(piece.motion).all()
            assert np.isfinite(piece.upper).all()
            assert piece.motion.shape == (26,)
            assert piece.upper.shape == ({8000: 0, 16000: 8, 22050: 14, 48000: 40}[rate],)


def test_a_description_knows_levels_and_is_deaf_to_loudness():
    time = np.arange(RATE) / RATE
    steady = syllables(1.0, seed=7)
    faded = (np.where(time < 0.5, 1, 10 ** (-20 / 20)) * steady).astype(np.float32)
    # Half of the frames are 20 dB lower; the last three are quartiles of how much lower.
    assert (describe(faded, RATE).motion[-3:] > describe(steady, RATE).motion[-3:]).all()
    tone = np.sin(2 * np.pi * 500 * time).astype(np.float32)
    quiet_half = (np.where(time < 0.5, 1, 0.1) * tone).astype(np.float32)
    spread = describe(quiet_half, RATE).motion[-3:]
    assert spread[0] == pytest.approx(20, abs=0.1)
    assert spread[2] == pytest.approx(0, abs=0.1)
    louder = describe(0.1 * steady, RATE).motion - describe(steady, RATE).motion
    assert np.abs(louder).max() < 0.01


def test_speakers_are_left_out_together():
    """Clips of a speaker are alike; only other speakers tell how much speakers differ."""
    rng = np.random.default_rng(0)
    described, _ = training(60, 1.0)
    speakers = [f"s{i // 10}" for i in range(60)]
    offsets = {name: rng.standard_normal(26) for name in sorted(set(speakers))}
    moved = [
        {
            kind: [piece._replace(motion=piece.motion + 3 * offsets[name]) for piece in pieces]
            for kind, pieces in recording.items()
        }
        for recording, name in zip(described, speakers, strict=True)
    ]
    known, unknown, one = (
        fit_likeness(moved, names).usual["seconds"].limits[0]
        for names in (speakers, ["-"] * 60, ["s"] * 60)
    )
    assert known > 1.2 * unknown
    # Of one speaker, or of nobody known, the clips are left out by themselves.
    assert one == pytest.approx(unknown, rel=0.05)


def test_a_speaker_of_nearly_all_recordings_is_not_left_out_as_a_whole():
    """One recording of another would tell alone what is usual, and then nothing is unusual."""
    rng = np.random.default_rng(0)

    def recording(shift=0.0):
        pieces = [Piece(rng.normal(shift, 1, 30), rng.normal(-60, 3, 8)) for _ in range(3)]
        return {"seconds": pieces, "halves": pieces[:2]}

    for speakers in (["a"] * 40, ["a"] * 39 + ["b"], ["a"] * 35 + ["b"] * 5):
        likeness = fit_likeness([recording() for _ in speakers], speakers)
        assert all(usual.limits[0] < 3 for usual in likeness.usual.values())
        assert likeness.distance(Description("halves", recording(5)["halves"])) > 1


def test_too_little_says_nothing():
    described, speakers = training(19, 0.6)
    assert fit_likeness(described, speakers) is None
    assert fit_likeness(described[:1] * 30, speakers[:1] * 30) is None


def test_it_is_kept_with_the_detector(tmp_path, likeness):
    arrays = likeness.to_arrays()
    again = Likeness.from_arrays(arrays, RATE)
    clip = description(syllables(1.5, seed=3000))
    assert again.distance(clip) == likeness.distance(clip)
    detector = Detector({"type": "lfcc"}, {"type": "linear"}, InputPolicy(length=8000)).eval()
    detector.likeness = likeness
    detector.save(tmp_path / "d")
    loaded = Detector.load(tmp_path / "d")
    for sound in (syllables(1.5, seed=3000), np.ones(RATE, np.float32)):
        judged = loaded.predict((sound, RATE))
        assert judged == {**detector.predict((sound, RATE)), "detector": loaded.identity}
        assert judged["measures"]["distance"] == likeness.distance(description(sound))


def test_the_same_recordings_give_the_same_numbers():
    first, second = (fit_likeness(*training(60, 1.0)).to_arrays() for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("seconds.mean"), "'seconds.mean' missing"),
        (lambda arrays: arrays.update(x=np.zeros(1)), "'x' missing or too much"),
        (lambda arrays: arrays.update({"halves.scale": np.ones(7)}), r"shape \(7,\)"),
        (lambda arrays: arrays["halves.precision"].fill(np.nan), "not finite"),
        (lambda arrays: arrays["halves.limits"].fill(0), "not positive"),
        (lambda arrays: arrays["seconds.scale"].fill(-1), "not positive"),
        (
            lambda arrays: arrays.update({"seconds.mean": np.zeros(26, np.float32)}),
            "float32 of shape",
        ),
    ],
)
def test_damaged_descriptions_are_refused(likeness, change, message):
    arrays = {name: array.copy() for name, array in likeness.to_arrays().items()}
    change(arrays)
    with pytest.raises(DetectorError, match=message):
        Likeness.from_arrays(arrays, RATE)


@pytest.mark.slow
def test_other_speakers_pass_and_other_sounds_do_not_through_codecs_too():
    """The talker of the mini corpus; six speakers are known, two are not."""
    rng = np.random.default_rng(0)
    clips = []
    for number in range(8):
        speaker = make_speaker(f"s{number}", number, "qaa", rng)
        for _ in range(4):
            sentence = make_sentence("qaa", 4, rng)
            samples = speak(speaker, sentence, 1.6, Silences(0.1, 0.1, 0.1), rng).samples
            clips.append((samples.astype(np.float32), speaker.name))
    detector = Detector({"type": "lfcc"}, {"type": "linear"}, InputPolicy(length=8000))
    detector.learn_likeness(clips[:24])
    codecs = [{"name": "mulaw"}, {"name": "mp3", "bit_rate": 24000}, {"name": "opus"}]
    settings = [Setting.from_options(CodecChoice.from_dict(codec)) for codec in codecs]
    heard = [
        detector.likeness.distance(description(sound))
        for clip, _ in clips[24:]
        for sound in (clip, *(round_trip(clip, RATE, setting) for setting in settings))
    ]
    assert np.mean(np.array(heard) > 1) <= 0.15
    unlike = [detector.likeness.distance(description(speech_like(seed=i))) for i in range(10)]
    assert min(unlike) > 1
