"""Attacks that a tracer is shown by a few recordings: in Python and with `spoofscope trace`."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from made_tracers import make_tracer, sound
from spoofscope import audio
from spoofscope.cli import main
from spoofscope.errors import AudioError, ConfigError, DetectorError, TableError
from spoofscope.files import read_json, write_json
from spoofscope.tracing.enrolment import read_enrolment
from spoofscope.tracing.judging import LoadedTracer, load_tracer, trace_recording
from spoofscope.tracing.references import (
    enrol_recordings,
    enrolled_sources,
    find_references,
    read_calibration,
)

torch.set_num_threads(1)

# As a study fits it: cosines near 1 support the claim.
CALIBRATION = {
    **{"scale": 40.0, "offset": -36.0, "prior": 0.5, "lower": -3.0, "upper": 3.0},
    **{"n_bonafide": 40, "n_spoof": 40, "n_claims": 6, "n_references": 3.0},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_tracer(tmp_path_factory.mktemp("made") / "tracer")


@pytest.fixture(scope="module")
def tracer(folder) -> LoadedTracer:
    return load_tracer(folder)


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """Three recordings of an attack that the tracer does not know."""
    place = tmp_path_factory.mktemp("references") / "new system"
    place.mkdir()
    for number in range(3):
        audio.write(place / f"{number}.wav", sound("X", number), 16000)
    return place


def test_an_enrolled_attack_is_the_answer_for_its_clips_alone(tracer, clips):
    references = find_references([clips])
    enrolment = enrol_recordings(tracer, references, CALIBRATION)
    trace = trace_recording(tracer, (sound("X", 300), 16000), enrolment=enrolment)
    assert trace["decision"] == "new system"
    assert trace["answer"] == "made by new system, enrolled by 3 references"
    (first,) = trace["enrolled"]
    assert first["llr"] == pytest.approx(min(3.0, 40 * first["cosine"] - 36))
    assert first["llr"] > 0
    for path in references["new system"]:
        found = trace_recording(tracer, path, enrolment=enrolment)
        assert found["decision"] == "new system"
    assert json.loads(json.dumps(trace, allow_nan=False)) == trace
    # Of two that are about as likely, none is the answer.
    twins = {**references, "twin": references["new system"]}
    enrolled = enrol_recordings(tracer, twins, CALIBRATION)
    twin = trace_recording(tracer, (sound("X", 300), 16000), enrolment=enrolled)
    assert (twin["decision"], twin["answer"]) == ("inconclusive", "inconclusive")
    reason = "the enrolled new system and twin are about as likely as each other"
    assert twin["reasons"] == [reason]
    for attack in "ABC":
        known = trace_recording(tracer, (sound(attack, 300), 16000), enrolment=enrolment)
        assert known["decision"] == attack
        assert known["enrolled"][0]["cosine"] < first["cosine"]
    silent = trace_recording(tracer, (np.zeros(16000, np.float32), 16000), enrolment=enrolment)
    assert (silent["decision"], silent["enrolled"]) == ("inconclusive", [])


def test_without_a_calibration_cosines_decide_nothing(tracer, clips):
    enrolment = enrol_recordings(tracer, find_references([clips.parent]))
    trace = trace_recording(tracer, (sound("X", 300), 16000), enrolment=enrolment)
    assert trace["decision"] == "unknown"
    assert trace["enrolled"][0]["llr"] is None
    assert any("no calibration" in note for note in trace["notes"])
    for n_references, ratio in (
        (5.0, "fewer references are too low"),
        (2.0, "more references are too high"),
    ):
        calibrated = {**CALIBRATION, "n_references": n_references}
        enrolled = enrol_recordings(tracer, find_references([clips]), calibrated)
        trace = trace_recording(tracer, (sound("X", 300), 16000), enrolment=enrolled)
        assert trace["notes"][-1] == f"ratios with {ratio}: new system"
    # Dev supports ratios so near to 1 that they say nothing.
    for upper, decision in ((0.40, "unknown"), (0.41, "new system")):
        bounded = {**CALIBRATION, "lower": -upper, "upper": upper}
        enrolled = enrol_recordings(tracer, find_references([clips]), bounded)
        trace = trace_recording(tracer, (sound("X", 300), 16000), enrolment=enrolled)
        assert trace["enrolled"][0]["llr"] == upper
        assert trace["decision"] == decision
    unlikely = enrol_recordings(tracer, find_references([clips]), {**CALIBRATION, "offset": -60.0})
    trace = trace_recording(tracer, (sound("X", 300), 16000), enrolment=unlikely)
    assert trace["decision"] == "unknown"


@pytest.mark.parametrize(
    ("more", "first", "second"),
    [
        ({}, "6 sources of dev, with 3", "how good ratios of sources are that this tracer was not"),
        (
            {"n_known_claims": 4, "n_unknown_evaluated": 5, "cllr_unknown": 1.25},
            "6 sources of dev (4 of them in the tracer's training), with 3 references",
            "these ratios decide nothing: on the eval trials of 5 sources not in its training, "
            "they are no better than none (Cllr 1.250, and 1 is no information)",
        ),
        (
            {"n_known_claims": 0, "n_unknown_evaluated": 1, "cllr_unknown": 0.4},
            "6 sources of dev, with 3 references",
            "on the eval trials of 1 source not in its training, the ratios have a Cllr of 0.400",
        ),
        (
            {"n_known_claims": 6, "n_unknown_evaluated": 0, "cllr_unknown": None},
            "6 sources of dev (6 of them in the tracer's training), with 3 references",
            "how good ratios of sources are that this tracer was not trained on is not known",
        ),
    ],
)
def test_an_answer_says_how_good_ratios_of_unknown_sources_are(tracer, clips, more, first, second):
    enrolment = enrol_recordings(tracer, find_references([clips]), CALIBRATION | more)
    trace = trace_recording(tracer, (sound("X", 300), 16000), enrolment=enrolment)
    said = [len([note for note in trace["notes"] if text in note]) for text in (first, second)]
    assert said == [1, 1]
    assert trace["enrolled"][0]["llr"] > 1
    decides_nothing = "these ratios decide nothing" in second
    assert trace["decision"] == ("unknown" if decides_nothing else "new system")


def test_the_command_enrols_folders_and_keeps_them(folder, clips, tracer, tmp_path, capsys):
    audio.write(tmp_path / "clip.wav", sound("X", 301), 16000)
    calibration = tmp_path / "mini.eval.calibration.json"
    write_json(calibration, {"attack": {**CALIBRATION, "network": tracer.network.identity}})
    kept, table = tmp_path / "kept.json", tmp_path / "out.csv"
    start = ["trace", "--tracer", str(folder), str(tmp_path / "clip.wav"), "--enrol"]
    more = ["--calibration", str(calibration), "--write-enrolled", str(kept), "--out", str(table)]
    assert main([*start, str(clips), *more]) == 0
    text = capsys.readouterr().out
    assert "clip.wav: made by new system, enrolled by 3 references" in text
    assert "enrolled new system: cosine " in text
    (said,) = [line for line in text.splitlines() if "enrolled new system: cosine " in line]
    assert "calibrated on 6 sources of dev, with 3 references of each" in text
    assert "references are too" not in text
    (row,) = csv.DictReader(table.open())
    assert (row["decision"], row["enrolled"]) == ("new system", "new system")
    assert float(row["llr_enrolled"]) > 0
    # To the base of a detector's ratio beside it, as the page has it.
    to_base_10 = float(row["llr_enrolled"]) / math.log(10)
    assert said.endswith(f", log10 likelihood ratio {to_base_10:+.2f}")
    assert read_enrolment(kept).sources == ("new system",)
    assert main([*start, str(kept), "--json"]) == 0
    (trace,) = json.loads(capsys.readouterr().out)
    assert trace["decision"] == "new system"
    assert main([*start, str(kept), "--calibration", str(calibration)]) == 2
    assert "has its own calibration" in capsys.readouterr().err
    assert main([*start[:-1], "--calibration", str(calibration)]) == 2
    assert "--calibration is for enrolled attacks; add --enrol" in capsys.readouterr().err


def test_references_that_cannot_be_used_are_refused(tracer, clips, tmp_path):
    with pytest.raises(ConfigError, match="there is no such folder"):
        find_references([tmp_path / "none"])
    with pytest.raises(ConfigError, match="there are no recordings to enrol"):
        find_references([tmp_path])
    with pytest.raises(ConfigError, match="references of 'new system' were already given"):
        find_references([clips, clips.parent])
    audio.write(clips.parent / "beside.wav", sound("X", 1), 16000)
    with pytest.raises(ConfigError, match="recordings lie beside folders of recordings"):
        find_references([clips.parent])
    with pytest.raises(ConfigError, match=r"beside\.wav: this is a recording; put the references"):
        enrolled_sources(tracer, [clips.parent / "beside.wav"], None)
    (clips.parent / "beside.wav").unlink()
    for name in ("A", "Unknown"):
        with pytest.raises(TableError, match="is an answer that this tracer gives already"):
            enrol_recordings(tracer, {name: [(sound("X", 1), 16000)]})
    with pytest.raises(TableError, match="there are no recordings to enrol"):
        enrol_recordings(tracer, {})
    audio.write(tmp_path / "short.wav", sound("X", 1, 0.3), 16000)
    with pytest.raises(AudioError, match=r"short\.wav: no reference of 'new'"):
        enrol_recordings(tracer, {"new": [tmp_path / "short.wav"]})


def test_calibrations_of_others_are_refused(tracer, clips, tmp_path):
    file = tmp_path / "c.json"
    write_json(file, {"attack": {**CALIBRATION, "network": "0" * 12}})
    with pytest.raises(DetectorError, match="fitted to cosines of the tracer 000000000000"):
        read_calibration(file, tracer)
    write_json(file, {"vocoder": {**CALIBRATION, "network": tracer.network.identity}})
    with pytest.raises(TableError, match="has no level 'attack'"):
        read_calibration(file, tracer)
    write_json(file, {"attack": {"network": tracer.network.identity, "scale": 1.0}})
    with pytest.raises(TableError, match="the level 'attack' has no key 'offset'"):
        read_calibration(file, tracer)
    write_json(file, {"scale": 1.0})
    with pytest.raises(TableError, match="is no calibration of source verification"):
        read_calibration(file, tracer)
    enrolment = enrol_recordings(tracer, find_references([clips]))
    other = load_tracer(make_tracer(tmp_path / "tracer", ("A", "B")))
    with pytest.raises(DetectorError, match="enrolled with the tracer"):
        trace_recording(other, (sound("X", 1), 16000), enrolment=enrolment)
    assert read_json(file) == {"scale": 1.0}
