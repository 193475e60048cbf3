"""`spoofscope explain`: what it writes, what it refuses, and when an explanation passes."""

import hashlib
import json

import numpy as np
import polars as pl
import pytest
import torch

from calibrations import calibration_of
from explanations import explanation
from spoofscope import audio
from spoofscope.attribution.explained_recording import MASKS, Controlled, controls_of, region_table
from spoofscope.baselines import write_centroid
from spoofscope.cli import main
from spoofscope.detector import Detector
from spoofscope.windows import InputPolicy

RATE = 16000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An untrained detector, two clips, and some that cannot be explained."""
    folder = tmp_path_factory.mktemp("explained")
    torch.manual_seed(0)
    detector = Detector(
        {"type": "lfcc"},
        {"type": "linear"},
        InputPolicy(length=8000),
        {"threshold": 0.0},
        calibration_of(band=0.0),
    )
    detector.save(folder / "detector")
    rng = np.random.default_rng(0)
    for name, seconds in (("a", 1.25), ("b", 0.75), ("short", 0.2)):
        audio.write(folder / f"{name}.wav", 0.1 * rng.standard_normal(int(seconds * RATE)), RATE)
    audio.write(folder / "silent.wav", np.zeros(RATE), RATE)
    audio.write(folder / "long.wav", 0.1 * rng.standard_normal(121 * RATE), RATE)
    (folder / "text.wav").write_text("no audio at all " * 50)
    return folder


def explain(capsys, folder, *arguments):
    code = main(["explain", "--detector", str(folder / "detector"), *map(str, arguments)])
    return code, *capsys.readouterr()


@pytest.mark.slow
def test_files_of_a_clip(capsys, folder, tmp_path):
    clip, out = folder / "a.wav", tmp_path / "out"
    code, text, err = explain(capsys, folder, clip, "--out", out)
    assert (code, err) == (0, "")
    assert sorted(path.name for path in (out / "a.wav").iterdir()) == [
        *("attributions.npz", "explanation.json", "explanation.pdf", "explanation.png"),
        *("explanation.tsv", "regions.tsv"),
    ]
    content = json.loads((out / "a.wav/explanation.json").read_text())
    assert content["clip"]["sha256"] == hashlib.sha256(clip.read_bytes()).hexdigest()
    main(["predict", "--detector", str(folder / "detector"), str(clip), "--json"])
    assert content["judgement"] == json.loads(capsys.readouterr().out)[0]
    assert content["controls"]["in_words"] in text

    # The map, and what it adds up to, from the files alone.
    arrays = np.load(out / "a.wav/attributions.npz")
    assert set(arrays.files) == set(content["arrays"])
    told = content["explanation"]
    total = arrays["map"].sum(dtype=np.float64) + told["outside"]
    difference = told["score"] - told["baseline_score"]
    assert total == pytest.approx(difference + told["delta"], rel=1e-4)
    # The back-end is linear in its features: completeness is exact.
    assert told["converged"]
    assert abs(total / difference - 1) < 0.01
    assert told["score"] == pytest.approx(content["judgement"]["score"], rel=1e-5)
    assert np.mean(arrays["window_score"]) == pytest.approx(told["score"], rel=1e-5)
    assert arrays["window_s"].tolist() == told["windows_s"]
    assert arrays["time_s"].size == arrays["map"].shape[1] == arrays["coverage"].size
    regions = pl.read_csv(out / "a.wav/regions.tsv", separator="\t")
    assert (regions["start"] >= 0).all()
    assert (regions["end"] <= 1.25).all()


@pytest.mark.slow
def test_the_same_bytes_again_and_a_second_clip(capsys, folder, tmp_path):
    out = tmp_path / "out"
    explain(capsys, folder, folder / "b.wav", "--out", out, "--method", "gradient_x_input")
    first = {path.name: path.read_bytes() for path in (out / "b.wav").iterdir()}
    files = (folder / "b.wav", folder / "a.wav")
    code, *_ = explain(capsys, folder, *files, "--out", out, "--method", "gradient_x_input")
    assert code == 0
    assert {path.name: path.read_bytes() for path in (out / "b.wav").iterdir()} == first
    assert sorted(path.name for path in out.iterdir()) == ["a.wav", "b.wav"]


@pytest.mark.slow
def test_relative_to_the_centroid_of_a_study(capsys, folder, tmp_path):
    """With a linear back-end the baseline's score is that of any number of its frames."""
    detector = Detector.load(folder / "detector")
    frames = detector.policy.windows(np.zeros(8000, np.float32)).values
    features = detector.frontend(torch.from_numpy(frames), torch.tensor([8000]))
    size = tuple(detector.frontend.normalise(features).values.shape[-1:])
    write_centroid(tmp_path / "centroid.safetensors", torch.full((1, *size), 0.5))
    arguments = ("--centroid", tmp_path / "centroid.safetensors", "--out", tmp_path / "out")
    assert explain(capsys, folder, folder / "b.wav", *arguments)[0] == 0
    told = json.loads((tmp_path / "out/b.wav/explanation.json").read_text())["explanation"]
    assert told["baseline"] == "centroid"
    mean = torch.full((1, 1, 7, *size), 0.5)
    score = detector.score_tensor(detector.eval().backend_logits(mean, torch.tensor([7])))
    assert told["baseline_score"] == pytest.approx(score.item(), abs=1e-4)
    write_centroid(tmp_path / "other.safetensors", torch.zeros(2, 3))
    code, _, err = explain(
        capsys, folder, folder / "a.wav", "--centroid", tmp_path / "other.safetensors", "--out", "x"
    )
    assert code == 1
    assert "the centroid is (2, 3), the detector's features (1," in err


@pytest.mark.slow
def test_a_passage_of_a_long_recording(capsys, folder, tmp_path):
    """It is explained as if it had been cut out, in the windows that reach into it."""
    arguments = ("--method", "gradient_x_input", "--out", tmp_path / "out")
    passage = ("--passage", "100.6", "101.4")
    code, text, _ = explain(capsys, folder, folder / "long.wav", *arguments, *passage)
    assert code == 0
    clip = audio.read(folder / "long.wav")[0][int(100.5 * RATE) : int(101.5 * RATE)]
    audio.write(tmp_path / "cut.wav", clip, RATE)
    assert explain(capsys, folder, tmp_path / "cut.wav", *arguments)[0] == 0
    told, cut = (
        json.loads((tmp_path / "out" / name / "explanation.json").read_text())
        for name in ("long.wav", "cut.wav")
    )
    assert told["explanation"]["passage_s"] == [100.5, 101.5]
    assert told["explanation"]["windows_s"] == [[100.5, 101.0], [101.0, 101.5]]
    score, whole = told["explanation"]["score"], told["judgement"]["score"]
    assert score == pytest.approx(cut["judgement"]["score"], rel=1e-5)
    assert told["judgement"]["duration_s"] == 121
    said = f"Only 100.50 to 101.50 s are explained, with a score of {score:+.4f}; that of the whole"
    assert f"{said} recording is {whole:+.4f}." in text
    arrays, of_cut = (
        np.load(tmp_path / "out" / name / "attributions.npz") for name in ("long.wav", "cut.wav")
    )
    assert arrays["map"] == pytest.approx(of_cut["map"], rel=1e-4, abs=1e-5)
    assert arrays["window_score"] == pytest.approx(of_cut["window_score"], rel=1e-5)
    assert arrays["time_s"] == pytest.approx(100.5 + of_cut["time_s"])
    regions, of_cut = (
        pl.read_csv(tmp_path / "out" / name / "regions.tsv", separator="\t")
        for name in ("long.wav", "cut.wav")
    )
    assert regions["start"].to_numpy() == pytest.approx(100.5 + of_cut["start"].to_numpy())
    for passage, words in (((121, 122), "no passage of it"), ((0, 120.5), "too long")):
        given = ("--passage", *map(str, passage))
        code, _, err = explain(capsys, folder, folder / "long.wav", *arguments, *given)
        assert code == 1
        assert words in err


@pytest.mark.slow
def test_bad_clips_do_not_stop_the_good_one(capsys, folder, tmp_path):
    names = ("none.wav", "text.wav", "short.wav", "silent.wav", "long.wav", "b.wav")
    files = [folder / name for name in names]
    code, text, err = explain(capsys, folder, *files, "--out", tmp_path / "out")
    assert code == 1
    lines = err.splitlines()
    said = (
        *("no such audio file", "cannot be decoded", "shorter than 0.5 s"),
        *("is audible, and there is nothing to explain", "120"),
    )
    assert len(lines) == len(said)
    for line, name, words in zip(lines, names, said, strict=False):
        assert name in line
        assert words in line
    assert text.count("not explained") == len(said)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.wav"]


def test_a_method_that_does_not_fit(capsys, folder, tmp_path):
    out = tmp_path / "out"
    arguments = (folder / "b.wav", "--out", out, "--method", "attention_relevance")
    code, _, err = explain(capsys, folder, *arguments)
    assert code == 1
    assert "lfcc has no" in err
    assert not out.exists() or not list(out.iterdir())


def test_folders_that_would_lose_something(capsys, folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")
    code, _, err = explain(capsys, folder, folder / "a.wav", "--out", tmp_path / "out")
    assert code == 2
    assert "notes.txt, which is no explanation" in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]
    clips = (folder / "a.wav", folder / ".." / folder.name / "a.wav")
    code, _, err = explain(capsys, folder, *clips, "--out", tmp_path / "new")
    assert code == 2
    assert "2 recordings are called a.wav" in err
    code, _, err = explain(capsys, folder, folder / "a.wav", "--out", folder / "a.wav")
    assert code == 2
    assert "no folder" in err


def held_against(deletion, draws, *, frames=100, shuffled=(0.1, 0.2)):
    made = explanation(np.zeros(frames))
    made = made.__class__(
        **{
            **made.__dict__,
            "maskings": {
                "deletion": np.array([deletion]),
                "deletion_control": np.zeros(1),
                "insertion": np.array([9.0]),
                "insertion_control": np.zeros(1),
            },
        }
    )
    return controls_of(Controlled(made, np.asarray(draws), np.zeros(MASKS), list(shuffled)))


@pytest.mark.parametrize(
    ("as_much", "verdict", "rank"),
    [
        *((0, "passes", 1 / 40), (1, "passes", 2 / 40), (2, "undecided", 3 / 40)),
        *((18, "undecided", 19 / 40), (19, "fails", 20 / 40), (39, "fails", 1.0)),
    ],
)
def test_a_mask_is_ranked_among_others(as_much, verdict, rank):
    draws = [1.0] * as_much + [0.5] * (MASKS - as_much)
    deletion, insertion, _ = held_against(1.0, draws)
    assert (deletion.verdict, deletion.rank) == (verdict, pytest.approx(rank))
    assert insertion.verdict == "passes"


def test_a_clip_of_few_frames_decides_nothing():
    assert held_against(1.0, [0.5] * MASKS, frames=19)[0].verdict == "undecided"
    assert held_against(1.0, [0.5] * MASKS, frames=20)[0].verdict == "passes"


@pytest.mark.parametrize(
    ("shuffled", "verdict"),
    [
        *(((0.1, 0.4), "passes"), ((0.4, 0.6), "undecided"), ((0.6, 0.9), "fails")),
        *(((0.1, None), "undecided"), ((), "undecided")),
    ],
)
def test_shuffled_weights(shuffled, verdict):
    assert held_against(1.0, [0.5] * MASKS, shuffled=shuffled)[2].verdict == verdict


def test_regions_have_times_and_bands():
    values = np.zeros((4, 50))
    # Frames 10 to 19 speak for bona fide in the bands 1 and 2, and a little in 3.
    values[1, 10:20], values[2, 10:20], values[3, 10:20] = 2.0, 1.0, 0.5
    values[0, 40:45] = -1.0
    made = explanation(values, edges=(0.0, 100.0, 200.0, 400.0, 800.0))
    table = region_table(made, 0.5, 3)
    first, second = table.rows(named=True)
    half = 0.005
    assert first["evidence"] == "bonafide"
    assert (first["start"], first["end"]) == pytest.approx((0.1 - half, 0.19 + half))
    assert (first["low_hz"], first["high_hz"], first["share"]) == (100.0, 400.0, 1.0)
    assert first["band_share"] == pytest.approx(3 / 3.5)
    assert second["evidence"] == "spoof"
    assert (second["low_hz"], second["high_hz"], second["band_share"]) == (0.0, 100.0, 1.0)
    plain = region_table(explanation(values.sum(axis=0)), 0.5, 3)
    assert plain["low_hz"].null_count() == plain.height == 2
