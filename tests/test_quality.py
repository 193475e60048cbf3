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
from spoofscope.detector import Detector
from spoofscope.objectives.detection import Detection
from spoofscope.plan.study_plan import checked
from spoofscope.study.reading import read_config
from spoofscope.tables import read_manifest
from spoofscope.training.data import Source
from spoofscope.training.loop import TrainingJob, train
from spoofscope.training.recipe import resolve_recipe
from spoofscope.windows import InputPolicy

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


@pytest.mark.slow
def test_training_keeps_what_is_needed_to_abstain(tmp_path):
    manifest = write_corpus(tmp_path, {"train": 40, "dev": 40}, samples=(9000, 20000))
    job = TrainingJob(
        objective=Detection,
        frontend={"type": "lfcc"},
        backend={"type": "linear"},
        policy=InputPolicy(length=4000),
        recipe=resolve_recipe({"epochs": 2, "lr": 0.05, "batch_size": 4}),
        train=[Source(manifest, "train")],
        dev=[Source(manifest, "dev")],
        seed=1,
        options={"abstain": 0.25},
    )
    train(job, tmp_path / "d", tmp_path / "w")
    detector = Detector.load(tmp_path / "d")
    assert detector.calibration["band"] == 0.25
    found = detector.predict(list(read_manifest(manifest)["path"]))
    assert {judgement["decision"] for judgement in found} >= {"bonafide", "spoof"}
    assert sum(judgement["flags"]["out_of_distribution"] for judgement in found) <= 4
    for judgement in found:
        if judgement["flags"]["out_of_distribution"]:
            continue
        near = abs(judgement["p_bonafide"] - 0.5) < 0.25
        assert (judgement["decision"] == "inconclusive") == near
        assert judgement["reasons"] == (
            ["the probability is within 0.25 of one half"] if near else []
        )
    short, silent = detector.predict([(np.full(4000, 0.1), RATE), (np.zeros(RATE, np.int16), RATE)])
    assert (short["decision"], silent["decision"]) == ("inconclusive", "inconclusive")
    assert short["reasons"][0] == "the recording is shorter than 0.5 s"
    assert silent["reasons"][0] == "less than 0.25 s of the recording is audible"
    assert (silent["p_bonafide"], silent["llr"], silent["log10_llr"]) == (None, None, None)
    # Training was noise and single tones; this is a chirp with harmonics.
    time = np.arange(RATE) / RATE
    chirp = 0.05 * sum(np.sin(2 * np.pi * k * (200 * time + 300 * time**2)) for k in range(1, 12))
    unlike = detector.predict((chirp, RATE))
    assert unlike["measures"]["distance"] > 1
    assert unlike["decision"] == "inconclusive"
    assert unlike["reasons"] == [quality.FLAGS["out_of_distribution"]]
    assert (unlike["p_bonafide"], unlike["llr"]) == (None, None)
    assert (
        "Recordings unlike the training data are not judged"
        in (tmp_path / "d" / "card.md").read_text()
    )


def test_abstaining_is_a_setting_of_the_run():
    config = read_config("config/config.yaml")
    before = checked(config)
    name = next(iter(config["detectors"]))
    config["detectors"][name]["abstain"] = 0.2
    after = checked(config)
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


@pytest.mark.slow
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
