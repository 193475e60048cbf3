"""What is said of a tracer's own errors: the same numbers wherever a recording is traced."""

import csv
import json
import shutil

import pytest

from made_tracers import make_tracer, sound
from spoofscope import audio
from spoofscope.apps.views import origin
from spoofscope.cases.traced_sets import load_validated
from spoofscope.cli import main
from spoofscope.files import sha256_file
from spoofscope.provenance.sidecars import sidecar_path, write_sidecar
from spoofscope.settings import TRACER_FILE
from spoofscope.summaries.traced import UNCHECKED
from spoofscope.tracing.judging import trace_recording
from spoofscope.tracing.validation import NO_SET, TracedSets

ROWS = {
    "eval": """overall\t-\t-\taccuracy\t0.5\t0.1\t0.9\t160\t0\t
overall\t-\t-\tbalanced_accuracy\t0.95\t0.692\t1.0\t160\t0\t
overall\t-\tknn\tauroc\t0.7374\t0.273\t0.9913\t160\t100\t
overall\t-\tmsp\tauroc\t0.99\t0.98\t1.0\t160\t100\t
overall\t-\tknn\teer\t0.34\t0.05\t0.7617\t160\t100\t
overall\t-\tknn\tknown_rejected\t0.288\t0.0\t0.7593\t160\t100\t
overall\t-\tknn\tunknown_accepted\t0.41\t0.2291\t0.6107\t160\t100\t
strict\t-\tknn\tauroc\t0.1\t0.0\t0.2\t160\t20\t""",
    "dev": """overall\t-\t-\tbalanced_accuracy\t1.0\t0.478\t1.0\t128\t0\t
overall\t-\tknn\tauroc\t0.8\t\t\t128\t20\tno interval: all unknown clips are of one attack
overall\t-\tknn\teer\t\t\t\t128\t20\tnot defined""",
}
EVAL = (
    "Errors of this tracer on lab, eval (160 clips of known classes, 100 of unknown attacks; knn "
    "decides): balanced accuracy over the known classes 95.0 % (69.2 to 100.0 %); AUROC of unknown "
    "attacks 0.74 (0.27 to 0.99); equal error rate of unknown attacks 34.0 % (5.0 to 76.2 %); "
    "clips of unknown attacks that pass as known 41.0 % (22.9 to 61.1 %); clips of known classes "
    "that are called unknown 28.8 % (0.0 to 75.9 %)."
)
DEV = (
    "AUROC of unknown attacks 0.80 (no interval: all unknown clips are of one attack); equal error "
    "rate of unknown attacks not known (not defined)"
)


def record(path, tracer):
    files = (path, tracer / TRACER_FILE)
    entries = [
        {"path": str(file), "bytes": file.stat().st_size, "sha256": sha256_file(file)}
        for file in files
    ]
    write_sidecar(
        sidecar_path(path),
        {
            **{"rule": "tracing_metrics", "wildcards": {}, "parameters": {}, "code": "0" * 12},
            **{"inputs": entries[1:], "outputs": entries[:1], "device": "cpu", "seconds": 1.0},
            **{"git": {"commit": None, "dirty": None}, "started": "2026-01-01T00:00:00"},
            "packages": {},
        },
    )


@pytest.fixture
def tracer(tmp_path):
    """A tracer in a study that has measured it; the numbers are made up."""
    study = tmp_path / "results/own"
    folder = make_tracer(study / "tracers/t-00000000/seed1")
    metrics = study / "tracing_metrics/t-00000000/seed1"
    metrics.mkdir(parents=True)
    head = "slice\tvalue\tdetector\tmetric\testimate\tlow\thigh\tn_known\tn_unknown\treason\n"
    for split, rows in ROWS.items():
        path = metrics / f"lab.{split}.tsv"
        path.write_text(f"{head}{rows}\n")
        record(path, folder)
    return folder


@pytest.mark.slow
def test_the_same_is_said_everywhere(tracer, tmp_path, capsys):
    clip = tmp_path / "a.wav"
    audio.write(clip, sound("B", 300), 16000)
    said = load_validated(tracer).traced.in_words()
    assert said[0] == EVAL
    assert said[1].startswith("Errors of this tracer on lab, dev (128 clips")
    assert DEV in said[1]
    assert len(said) == 2

    trace = trace_recording(load_validated(tracer), clip)
    assert trace["validation"]["said"] == said
    (first, _) = trace["validation"]["sets"]
    assert first["numbers"]["auroc"] == {
        "value": 0.7374,
        "low": 0.273,
        "high": 0.9913,
        "reason": "",
    }
    page = origin(trace, [None] * len(trace["nearest"]), {"sha256": "0", "time": "now"})
    assert all(f'<p class="errors">{text}</p>' in page for text in said)

    given = ["trace", "--tracer", str(tracer), str(clip)]
    assert main([*given, "--out", str(tmp_path / "x.csv")]) == 0
    printed = capsys.readouterr().out
    assert all(printed.count(f"\n{text}\n") == 1 for text in said)
    with (tmp_path / "x.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert row["validation"] == " ".join(said)
    assert main([*given, "--json"]) == 0
    (written,) = json.loads(capsys.readouterr().out)
    assert written["validation"] == trace["validation"]


def test_a_polarity_that_nobody_has_checked():
    sets = TracedSets([], "energy", UNCHECKED, False, NO_SET)
    assert sets.in_words()[1] == (
        "The polarity of energy was not checked: dev has no unknown attack, so nothing shows that "
        "a higher score means more unknown."
    )


@pytest.mark.slow
def test_numbers_that_are_not_at_hand_or_not_of_this_tracer(tracer, tmp_path):
    unknown = "How often this tracer is wrong is not known here: "

    def said(folder, study=None):
        (text,) = load_validated(folder, study).traced.in_words()
        assert text.startswith(unknown)
        assert str(tmp_path) not in text
        return text.removeprefix(unknown)

    study = tmp_path / "results/own"
    copy = tmp_path / "copy"
    shutil.copytree(tracer, copy)
    assert said(copy) == "the results of its study are not at hand."
    assert load_validated(copy, study).traced.in_words()[0] == EVAL
    other = make_tracer(tmp_path / "other", ("A", "B"))
    path = study / "tracing_metrics/t-00000000/seed1/lab.eval.tsv"
    record(path, other)
    assert "lab.eval.tsv is of another tracer" in said(tracer)
    record(path, tracer)
    path.write_text(path.read_text().replace("0.95", "0.99"))
    assert "lab.eval.tsv is not the file that the study made" in said(tracer)
    sidecar_path(path).unlink()
    assert "it is not known whose numbers these are" in said(tracer)
    shutil.rmtree(path.parent)
    assert said(tracer) == "the study at hand has measured it on no set."
