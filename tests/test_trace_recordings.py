"""What a tracer says about a recording, and `spoofscope trace` as a user meets it."""

import csv
import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from made_tracers import make_tracer, sound
from spoofscope import __version__, audio
from spoofscope.apps.views import origin
from spoofscope.cases.scored_sets import load_supported
from spoofscope.cli import main
from spoofscope.detector import Detector
from spoofscope.errors import AudioError, DetectorError
from spoofscope.files import sha256_file
from spoofscope.ood.base import Outputs
from spoofscope.quality import FLAGS
from spoofscope.tracing.judging import (
    AMONG_KNOWN,
    SPOOFS_ALONE,
    LoadedTracer,
    load_tracer,
    trace_recording,
)
from spoofscope.windows import InputPolicy

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_tracer(tmp_path_factory.mktemp("made") / "tracer")


@pytest.fixture(scope="module")
def tracer(folder) -> LoadedTracer:
    return load_tracer(folder)


def changed(tracer: LoadedTracer, **told) -> LoadedTracer:
    return dataclasses.replace(tracer, fitted=dataclasses.replace(tracer.fitted, **told))


@pytest.mark.parametrize("attack", ["A", "B", "C"])
def test_a_known_attack_is_named_with_the_clips_that_are_like_it(tracer, folder, attack, tmp_path):
    file = tmp_path / "clip.wav"
    audio.write(file, sound(attack, 200), 16000)
    trace = trace_recording(tracer, file)
    assert (trace["decision"], trace["answer"]) == (attack, f"made by {attack}")
    assert (trace["reasons"], trace["family"]) == ([], None)
    assert [clip["attack"] for clip in trace["nearest"]] == [attack] * 5
    first = trace["nearest"][0]
    assert first["path"] == str(folder.parent / f"clips/{first['utt_id']}.wav")
    cosines = [clip["cosine"] for clip in trace["nearest"]]
    assert cosines == sorted(cosines, reverse=True)
    assert trace["sha256"] == sha256_file(file)
    assert json.loads(json.dumps(trace, allow_nan=False)) == trace
    # As the workflow has it: the means over the windows of the recording.
    samples, _ = audio.read(file)
    windows = [samples[:8000], samples[8000:]]
    mean = tracer.network.logits(windows, 2).mean(axis=0, keepdims=True)
    answers = tracer.fitted.answers(Outputs(*tracer.network.split(mean)))
    assert answers["answer"][0] == attack
    assert trace["ood"]["knn"]["score"] == pytest.approx(answers["ood_knn"][0], rel=1e-4)
    assert trace["logits"] == pytest.approx(mean[0, -3:].tolist(), rel=1e-5)


def test_no_probability_is_surer_than_the_development_clips(tracer):
    trace = trace_recording(tracer, (sound("A", 201), 16000))
    assert trace["n_dev"] == 24
    assert trace["ranked"][0]["name"] == "A"
    assert trace["ranked"][0]["said"] == "at least 24 in 25"
    assert trace["ranked"][0]["probability"] == pytest.approx(24 / 25)
    assert trace["ranked"][-1]["said"] == "at most 1 in 25"
    assert (trace["path"], trace["sha256"]) == (None, None)


def test_few_development_clips_support_no_probability(tmp_path):
    tracer = load_tracer(make_tracer(tmp_path / "tracer", n_dev=6))
    trace = trace_recording(tracer, (sound("A", 201), 16000))
    assert trace["decision"] == "A"
    assert {c["probability"] for c in trace["ranked"]} == {None}
    assert any("18 clips of known attacks; fewer than 20" in note for note in trace["notes"])
    # No attack is named on less evidence than with more development clips.
    flat = changed(tracer, temperature=1e6)
    trace = trace_recording(flat, (sound("A", 201), 16000))
    assert (trace["decision"], trace["family"]) == ("inconclusive", None)
    assert trace["reasons"] == ["no class has a probability of one half"]


def test_an_unknown_attack_is_none_of_the_known_ones(tracer):
    trace = trace_recording(tracer, (sound("X", 202), 16000))
    assert trace["decision"] == "unknown"
    assert trace["ood"]["knn"]["unknown"]
    assert trace["notes"] == [SPOOFS_ALONE, AMONG_KNOWN]
    never = changed(tracer, meta={**tracer.fitted.meta, "n_dev_unknown": 0})
    *others, unchecked = trace_recording(never, (sound("X", 202), 16000))["notes"]
    assert others == [SPOOFS_ALONE, AMONG_KNOWN]
    assert "nobody has checked whether a higher score of knn means more unknown" in unchecked
    even = changed(tracer, families=("-", "-", "-"))
    trace = trace_recording(even, (sound("X", 202), 16000))
    assert trace["answer"] == "made by none of the 3 known attacks"


def test_a_family_is_named_where_no_attack_is(tracer):
    strict = changed(tracer, thresholds={"knn": -1.0, "msp": 0.0})
    trace = trace_recording(strict, (sound("A", 203), 16000))
    assert (trace["decision"], trace["answer"]) == ("unknown", "unknown, vits-like")
    # Nearly the same probability for every attack: two of three are of one family.
    flat = changed(tracer, temperature=1e6)
    trace = trace_recording(flat, (sound("A", 203), 16000))
    assert (trace["decision"], trace["answer"]) == ("inconclusive", "inconclusive, vits-like")
    assert trace["reasons"] == ["no class has a probability of one half"]
    assert trace["family"]["probability"] == pytest.approx(2 / 3, abs=1e-4)
    assert trace["family"]["said"] == "0.67"
    # What is not known of attacks makes no family of them.
    nothing = changed(flat, families=("-", "-", "xtts"))
    assert trace_recording(nothing, (sound("A", 203), 16000))["answer"] == "inconclusive"


def test_bona_fide_speech_is_told_where_it_was_a_class(tmp_path, tracer):
    told = load_tracer(make_tracer(tmp_path / "tracer", ("bonafide", "A", "B", "C")))
    trace = trace_recording(told, (sound("bonafide", 204), 16000))
    assert trace["decision"] == "bonafide"
    assert trace["answer"] == "bona fide, not made by any known system"
    assert trace["notes"] == [told.doubt]
    assert re.search(r"of 1 in dev, knn tells 8 clips .* AUROC of 1\.00, and was", told.doubt)
    never = changed(told, meta={**told.fitted.meta, "n_dev_unknown": 0})
    assert "known class: dev had none, so how often is not known" in never.doubt
    assert never.doubt.endswith("nor whether a higher score of knn means more unknown")
    by_known = changed(told, meta={**told.fitted.meta, "threshold": 0.95, "n_dev_unknown": 1})
    assert "tells 1 clip from" in by_known.doubt
    assert by_known.doubt.endswith("AUROC of 1.00")
    unknown = trace_recording(changed(told, families=("-",) * 4), (sound("X", 204), 16000))
    assert "nor bona fide speech as in the training" in unknown["answer"]
    for attack in ("A", "bonafide"):
        assert trace_recording(tracer, (sound(attack, 204), 16000))["notes"][0] == SPOOFS_ALONE


@pytest.mark.parametrize(
    ("threshold", "decision", "answer"),
    [
        (-1e6, "bonafide", "bona fide, as the detector decides"),
        (1e6, "A", "made by A"),
        (None, "inconclusive", "inconclusive"),
    ],
)
def test_a_detector_decides_first_whether_it_is_bona_fide(
    folder, tmp_path, capsys, threshold, decision, answer
):
    detector = Detector({"type": "lfcc"}, {"type": "cnn"}, InputPolicy(length=8000))
    detector.meta["threshold"] = threshold
    detector.save(tmp_path / "detector")
    file = tmp_path / "clip.wav"
    audio.write(file, sound("A", 200), 16000)
    told = ["--detector", str(tmp_path / "detector"), "--out", str(tmp_path / "x.csv"), "--json"]
    assert main(["trace", "--tracer", str(folder), *told, str(file)]) == 0
    (trace,) = json.loads(capsys.readouterr().out)
    assert (trace["decision"], trace["answer"]) == (decision, answer)
    judgement = load_supported(tmp_path / "detector", None).predict(file)
    assert trace["bonafide_by"] == {
        key: judgement[key]
        for key in ("decision", "score", "log10_llr", "validation", "reasons", "detector")
    }
    assert trace["reasons"] == [f"the detector: {reason}" for reason in judgement["reasons"]]
    # It tells what a tracer of spoofs alone cannot.
    assert trace["notes"] == ([load_tracer(folder).doubt] if decision == "A" else [])
    assert trace["ranked"][0]["name"] == "A"
    with (tmp_path / "x.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert row["detector"] == judgement["detector"]
    assert float(row["detector_score"]) == pytest.approx(judgement["score"], rel=1e-5)
    assert main(["trace", "--tracer", str(folder), *told[:2], str(file)]) == 0
    assert f"the detector says {judgement['decision']}: score " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("samples", "flag"),
    [(np.zeros(16000, np.float32), "silent"), (sound("A", 1, 0.3), "too_short")],
)
def test_what_cannot_be_judged_is_not_traced(tracer, samples, flag):
    trace = trace_recording(tracer, (samples, 16000))
    assert (trace["decision"], trace["answer"]) == ("inconclusive", "inconclusive")
    assert trace["reasons"][0] == FLAGS[flag]
    assert (trace["ranked"], trace["nearest"], trace["family"]) == ([], [], None)


def test_recordings_unlike_the_training_data_are_not_traced(folder):
    tracer = load_tracer(folder)
    tracer.network.learn_likeness((sound(a, i), "-") for a in "ABC" for i in range(8))
    assert trace_recording(tracer, (sound("A", 3), 16000))["decision"] == "A"
    tone = 0.3 * np.sin(np.arange(16000) * 0.2).astype(np.float32)
    trace = trace_recording(tracer, (tone, 16000))
    assert trace["decision"] == "inconclusive"
    assert trace["reasons"] == [FLAGS["out_of_distribution"]]


def test_outputs_that_are_not_finite_are_refused(folder, tmp_path):
    audio.write(tmp_path / "a.wav", sound("A", 1), 16000)
    tracer = load_tracer(folder)
    tracer.network.backend.head.vectors.fill_(float("nan"))
    with pytest.raises(DetectorError, match=r"a\.wav': the tracer's logits are not finite"):
        trace_recording(tracer, tmp_path / "a.wav")
    with pytest.raises(AudioError, match="no such"):
        trace_recording(tracer, tmp_path / "b.wav")


def test_training_clips_that_are_gone_have_no_path(folder, tmp_path):
    alone = tmp_path / "elsewhere" / "tracer"
    shutil.copytree(folder, alone)
    trace = trace_recording(load_tracer(alone), (sound("A", 1), 16000), shown=2)
    assert [clip["path"] for clip in trace["nearest"]] == [None, None]
    assert len(trace["ranked"]) == 2
    assert trace_recording(load_tracer(alone), (sound("A", 1), 16000), shown=0)["ranked"] == []


def test_folders_of_something_else_are_refused(folder, tmp_path, capsys):
    Detector({"type": "lfcc"}, {"type": "linear"}, InputPolicy(length=8000)).save(tmp_path / "d")
    with pytest.raises(DetectorError, match=r"the folder of a detector.*spoofscope predict"):
        load_tracer(tmp_path / "d")
    with pytest.raises(DetectorError, match="a tracer alone; give the folder above it"):
        load_tracer(folder / "network")
    for of_tracer in (folder, folder / "network"):
        with pytest.raises(
            DetectorError, match=r"folder of a tracer, .* trace with `spoofscope trace`"
        ):
            Detector.load(of_tracer)
    with pytest.raises(DetectorError, match=r"it has no tracer\.json"):
        load_tracer(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    other = make_tracer(tmp_path / "other", ("A", "B"))
    shutil.rmtree(copy / "network")
    with pytest.raises(DetectorError, match=r"it has no network\.json"):
        load_tracer(copy)
    shutil.copytree(other / "network", copy / "network")
    with pytest.raises(DetectorError, match="fitted to another network"):
        load_tracer(copy)
    assert main(["trace", "--tracer", str(copy), "a.wav"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_goes_on_after_a_file_that_it_cannot_read(folder, tmp_path, capsys):
    names = [tmp_path / "a.wav", tmp_path / "text.wav", tmp_path / "silent.wav"]
    audio.write(names[0], sound("B", 300), 16000)
    names[1].write_text("no audio at all " * 50)
    audio.write(names[2], np.zeros(16000), 16000)
    given = ["trace", "--tracer", str(folder), *map(str, names)]
    assert main([*given, "--top", "2", "--out", str(tmp_path / "x.csv")]) == 1
    shown = capsys.readouterr()
    assert f"{names[0]}: made by B\n  the likeliest, if " in shown.out
    assert "classes made it:\n  1. B  at least 24 in 25\n  2. " in shown.out
    assert f"{names[1]}: not traced" in shown.out
    assert f"{names[2]}: inconclusive\n  because {FLAGS['silent']}" in shown.out
    assert shown.out.count(SPOOFS_ALONE) == 2
    assert "cannot be decoded" in shown.err
    with (tmp_path / "x.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["decision"] for row in rows] == ["B", "", "inconclusive"]
    assert "cannot be decoded" in rows[1]["error"]

    assert main([*given, "--json"]) == 1
    traces = json.loads(capsys.readouterr().out)
    assert [trace.get("decision") for trace in traces] == ["B", None, "inconclusive"]
    asked = load_tracer(folder).identity
    for entry in (*rows, *traces):
        assert (entry["tracer"], entry["spoofscope"]) == (asked, __version__)


def test_a_table_that_cannot_be_written_is_refused_first(folder, tmp_path, capsys):
    file = tmp_path / "a.wav"
    audio.write(file, sound("B", 300), 16000)
    before = file.read_bytes()
    for out, message in (
        (file, "the file that is read"),
        (tmp_path / "no" / "x", "does not exist"),
        (tmp_path, "is a folder"),
    ):
        assert main(["trace", "--tracer", str(folder), str(file), "--out", str(out)]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert message in shown.err
    assert file.read_bytes() == before


def test_the_probability_of_a_family_holds_if_a_known_class_made_it(folder, tmp_path, capsys):
    """It stands below these words, and not beside `unknown` as if it were said of the clip."""
    audio.write(tmp_path / "x.wav", sound("X", 900, 2.0), 16000)
    assert main(["trace", "--tracer", str(folder), str(tmp_path / "x.wav")]) == 0
    shown = capsys.readouterr().out
    assert "x.wav: unknown, vits-like\n  the likeliest, if one of the known classes" in shown
    assert "classes made it:\n  family vits: at least 24 in 25\n  1. A  at least" in shown
    trace = trace_recording(load_tracer(folder), tmp_path / "x.wav")
    page = origin(trace, [None] * len(trace["nearest"]), {"sha256": "0", "time": "now"})
    assert (
        "<p>If a known class made it, all of the family vits together have a probability of "
        "<b>at least 24 in 25</b>.</p>"
    ) in page
