"""Flags are raised for what they name and for nothing else; hours fit into memory."""

import json
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import soundfile
import torch

from noise_and_tones import write_corpus
from spoofscope import audio, quality
from spoofscope.audio import InputPolicy
from spoofscope.detector import Detector
from spoofscope.errors import DetectorError
from spoofscope.inputs import decoded_windows
from spoofscope.study import Study, read_config
from spoofscope.tables import read_manifest
from spoofscope.training.data import Source
from spoofscope.training.loop import TrainingJob, train
from spoofscope.training.recipe import resolve_recipe

RATE = 16000


def speech_like(seconds: float = 2.0, level: float = 0.05, seed: int = 0) -> np.ndarray:
    """Syllables of noise with a spectrum that falls by 6 dB per octave, as speech does."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    frequencies = np.fft.rfftfreq(n, 1 / RATE)
    noise = np.fft.irfft(spectrum / np.maximum(frequencies, 100), n)
    syllables = np.maximum(np.sin(2 * np.pi * 2 * np.arange(n) / RATE), 0.01)
    clip = noise * syllables
    return (level * clip / np.sqrt(np.mean(clip**2))).astype(np.float32)


def measured(clip: np.ndarray, rate: int = RATE, block: int = 10_000_000) -> quality.Measures:
    meter = quality.Meter(RATE)
    blocks = [clip[i : i + block] for i in range(0, clip.size, block)]
    for _ in meter.heard(audio.resample_blocks(meter.stored(blocks), rate, RATE)):
        pass
    return meter.measures()


def raised(clip: np.ndarray, rate: int = RATE) -> set[str]:
    flags = quality.flags(measured(clip, rate), RATE, extended=False, distance=None)
    assert list(flags) == list(quality.FLAGS)
    return {name for name, flag in flags.items() if flag}


def telephone(clip: np.ndarray) -> np.ndarray:
    return audio.resample(audio.resample(clip, RATE, 8000), 8000, RATE)


@pytest.mark.parametrize(
    ("clip", "rate", "expected"),
    [
        (speech_like(), RATE, set()),
        (np.repeat(speech_like(), 3), 3 * RATE, set()),
        (speech_like(0.4), RATE, {"too_short"}),
        (speech_like(0.02), RATE, {"too_short", "silent"}),
        (np.zeros(RATE, np.float32), RATE, {"silent"}),
        (speech_like(level=1e-4), RATE, {"silent"}),
        (speech_like(level=3e-3), RATE, {"low_level"}),
        (np.clip(30 * speech_like(), -1, 1), RATE, {"clipped"}),
        # Resampling turns plateaus into ripples; the stored samples tell.
        (np.repeat(np.clip(30 * speech_like(), -1, 1), 3), 3 * RATE, {"clipped"}),
        (telephone(speech_like()), RATE, {"band_limited"}),
        (speech_like()[::2], 8000, {"band_limited"}),
    ],
)
def test_flags(clip, rate, expected):
    assert raised(clip, rate) == expected


def test_measures_are_known_numbers():
    time = np.arange(RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
    found = measured(tone)
    assert found.duration_s == 1.0
    assert found.audible_s == 1.0
    assert found.level_dbfs == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert found.clipped_share == 0.0
    assert found.cutoff_hz == pytest.approx(1000, abs=100)
    half = np.concatenate([tone, np.zeros(RATE, np.float32)])
    assert measured(half).audible_s == 1.0
    assert measured(half).level_dbfs == pytest.approx(found.level_dbfs, abs=0.01)
    half[:160] = 1.0
    assert measured(half).clipped_share == 160 / half.size
    silence = measured(np.zeros(RATE, np.float32))
    assert (silence.level_dbfs, silence.cutoff_hz, silence.audible_s) == (None, None, 0.0)


@pytest.mark.parametrize("block", [1, 77, 4000])
def test_measures_do_not_depend_on_the_blocks(block):
    clip = speech_like(0.6)
    assert measured(clip, block=block) == pytest.approx(measured(clip))


# --- likeness to the training data ---------------------------------------------------------------


def gaussian(n: int, d: int, seed: int) -> np.ndarray:
    """Correlated values with a few strong directions."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((4, d))
    return rng.standard_normal((n, 4)) @ mixing + 0.3 * rng.standard_normal((n, d)) + 5


def test_about_one_percent_of_the_like_and_all_of_the_unlike_are_flagged():
    reference = quality.fit_reference(gaussian(300, 40, 1), gaussian(300, 40, 2))
    like = np.array([reference.distance(row) for row in gaussian(2000, 40, 3)])
    assert 0.002 < (like > 1).mean() < 0.03
    # Moved by two standard deviations, against the correlations.
    spread = gaussian(300, 40, 1).std(axis=0)
    signs = np.where(np.arange(40) % 2, 1, -1)
    unlike = [reference.distance(row + 2 * spread * signs) for row in gaussian(200, 40, 4)]
    assert min(unlike) > 1


def test_distance_is_that_of_the_model_that_it_names():
    train, dev = gaussian(100, 6, 1), gaussian(50, 6, 2)
    reference = quality.fit_reference(train, dev)
    k = len(reference.variances)
    rest = np.eye(6) - reference.directions.T @ reference.directions
    covariance = (
        reference.directions.T @ np.diag(reference.variances) @ reference.directions
        + reference.noise * rest
    )
    values = (dev - reference.mean) / reference.scale
    squared = np.einsum("ij,jk,ik->i", values, np.linalg.inv(covariance), values)
    expected = np.sqrt(squared / 6)
    assert k == 5
    found = [reference.distance(row) for row in dev]
    assert found == pytest.approx(expected / np.quantile(expected, 0.99, method="higher"))
    assert sum(distance > 1 for distance in found) == 0
    back = quality.Reference.from_arrays(reference.to_arrays())
    assert back.distance(dev[0]) == reference.distance(dev[0])


def test_too_little_says_nothing():
    assert quality.fit_reference(gaussian(19, 5, 1), gaussian(50, 5, 2)) is None
    assert quality.fit_reference(gaussian(50, 5, 1), gaussian(19, 5, 2)) is None
    assert quality.fit_reference(np.ones((50, 5)), gaussian(50, 5, 2)) is None


def test_damaged_references_are_refused():
    arrays = quality.fit_reference(gaussian(50, 5, 1), gaussian(50, 5, 2)).to_arrays()
    with pytest.raises(DetectorError, match="reference consists of"):
        quality.Reference.from_arrays({"mean": arrays["mean"]})
    with pytest.raises(DetectorError, match="scale has shape"):
        quality.Reference.from_arrays({**arrays, "scale": np.ones(7)})


FRONTENDS = [{"type": "lfcc"}, {"type": "wavelet_packets", "level": 6, "normalise": "none"}]


@pytest.mark.parametrize("frontend", FRONTENDS, ids=lambda config: config["type"])
def test_a_detector_knows_what_it_was_trained_on(tmp_path, frontend):
    rows = read_manifest(write_corpus(tmp_path, {"train": 40, "dev": 40, "eval": 20}))
    torch.manual_seed(0)
    policy = InputPolicy(length=4000)
    backend = {"type": "linear"}
    detector = Detector(frontend, backend, policy, {"threshold": 0.0})
    assert detector.predict(rows["path"][0])["flags"]["out_of_distribution"] is None

    def clips(split):
        found = decoded_windows(rows.filter(split=split), policy)
        return ((utt_id, list(windows.values)) for utt_id, windows in found)

    detector.learn_reference(clips("train"), clips("dev"))
    detector.save(tmp_path / "d")
    loaded = Detector.load(tmp_path / "d")
    assert (
        "Recordings unlike the training data are flagged"
        in (tmp_path / "d" / "card.md").read_text()
    )
    like = loaded.predict([str(path) for path in rows.filter(split="eval")["path"]])
    assert sum(bool(found["flags"]["out_of_distribution"]) for found in like) <= 2
    assert like[0] == detector.predict(like[0]["path"])
    # Training was noise and single tones; this is a chirp with harmonics.
    time = np.arange(RATE) / RATE
    chirp = sum(np.sin(2 * np.pi * k * (200 * time + 300 * time**2)) for k in range(1, 12))
    unlike = loaded.predict((0.05 * chirp, RATE))
    assert unlike["flags"]["out_of_distribution"]
    assert unlike["measures"]["distance"] > 1
    # A flag tells; it does not judge.
    assert unlike["decision"] in ("bonafide", "spoof")


def test_training_keeps_what_is_needed_to_abstain(tmp_path):
    manifest = write_corpus(tmp_path, {"train": 40, "dev": 40}, samples=(9000, 20000))
    job = TrainingJob(
        frontend={"type": "lfcc"},
        backend={"type": "linear"},
        policy=InputPolicy(length=4000),
        recipe=resolve_recipe({"epochs": 2, "lr": 0.05, "batch_size": 4}),
        train=[Source(manifest, "train")],
        dev=[Source(manifest, "dev")],
        seed=1,
        abstain=0.25,
    )
    train(job, tmp_path / "d", tmp_path / "w")
    detector = Detector.load(tmp_path / "d")
    assert detector.calibration["band"] == 0.25
    found = detector.predict(list(read_manifest(manifest)["path"]))
    assert {judgement["decision"] for judgement in found} >= {"bonafide", "spoof"}
    for judgement in found:
        near = abs(judgement["p_bonafide"] - 0.5) < 0.25
        assert (judgement["decision"] == "inconclusive") == near
        assert judgement["reasons"] == (
            ["the probability is within 0.25 of one half"] if near else []
        )
        assert judgement["flags"]["out_of_distribution"] is not None
    short, silent = detector.predict([(np.full(4000, 0.1), RATE), (np.zeros(RATE, np.int16), RATE)])
    assert (short["decision"], silent["decision"]) == ("inconclusive", "inconclusive")
    assert short["reasons"] == ["the recording is shorter than 0.5 s"]
    assert silent["reasons"] == ["less than 0.25 s of the recording is audible"]
    assert silent["p_bonafide"] is not None


def test_abstaining_is_a_setting_of_the_run():
    config = read_config("config/config.yaml")
    before = Study(config)
    name = next(iter(config["detectors"]))
    config["detectors"][name]["abstain"] = 0.2
    after = Study(config)
    assert "abstain" not in before.run_of(name).settings
    assert after.run_of(name).settings["abstain"] == 0.2
    assert after.run_of(name).id != before.run_of(name).id
    others = [detector for detector in config["detectors"] if detector != name]
    assert [after.run_of(x).id for x in others] == [before.run_of(x).id for x in others]


# --- long recordings -----------------------------------------------------------------------------

JUDGE = """
import json, resource, sys
import torch
from spoofscope.detector import Detector
torch.set_num_threads(1)
detector = Detector.load(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
judgement = detector.predict(sys.argv[2])
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"grown_mb": (after - before) / 1024, **judgement}))
"""


def test_forty_minutes_are_judged_window_by_window(tmp_path):
    """As one array, resampled and cut, this recording would take some hundred megabytes."""
    torch.manual_seed(0)
    detector = Detector({"type": "lfcc"}, {"type": "linear"}, InputPolicy(length=64000)).eval()
    detector.save(tmp_path / "d")
    rng = np.random.default_rng(0)
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16") as file:
        for _ in range(40):
            file.write(0.1 * rng.standard_normal(60 * 8000))
    done = subprocess.run(
        [sys.executable, "-c", JUDGE, tmp_path / "d", path],
        capture_output=True,
        text=True,
        check=True,
    )
    judgement = json.loads(done.stdout)
    assert judgement["duration_s"] == pytest.approx(2400, abs=0.01)
    assert judgement["grown_mb"] < 120
    starts = judgement["window_starts_s"]
    assert judgement["n_windows"] == 600 == len(starts)
    assert {round(b - a, 6) for a, b in pairwise(starts)} == {4.0}
    # The same windows as those of the whole clip: the first, and some from the middle.
    samples, _ = audio.read(path, 16000)
    for number in (0, 299, 300, 599):
        window = samples[64000 * number :][:64000]
        logits = detector.logits([window], 1)[0]
        assert judgement["window_logits"][number] == pytest.approx(logits.tolist(), abs=1e-5)
