"""The page of a run: what it shows, and that it can be made again from files."""

import json
import os
import platform
import re
import subprocess
import sys
import time

import psutil
import pytest

from spoofscope import run_page
from spoofscope.cli import main
from spoofscope.errors import ConfigError
from spoofscope.run_page import Run, RunPage, journal_of, page_of, rebuild, rendered

LOG = "".join(
    f"10:00 INFO x: stage {stage}, epoch {epoch} of 4: train loss {train}, dev loss {dev}, "
    f"dev eer {eer} (best eer so far 0.5000)\n"
    for stage, epoch, train, dev, eer in (
        (1, 1, "0.9000", "0.8000", "0.5000"),
        (1, 2, "0.7000", "0.6000", "0.2500"),
        (2, 1, "nan", "0.5000", "0.2500"),
    )
)
PAGE = "logs/own/run.html"
HISTORY = """stage\tepoch\tstep\ttrain_loss\tdev_loss\tdev_eer\tlr
1\t1\t4\t0.9\t0.8\t0.5\t0.01
1\t2\t8\t0.6\t0.4\t0.1\t0.01
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(job, rule="score", log="", **parts):
    words = f"{rule} {job}"
    return {"what": "start", "job": job, "rule": rule, "words": words, "log": log, **parts}


EVENTS = [
    {"what": "plan", "counts": {"score": 2, "train": 1, "all": 1}},
    {"what": "leave out", "rule": "all"},
    start(1, output="x"),
    {"what": "finish", "job": 1},
    start(2, output="x"),
    start(3, "train", "train.log", output="out/model.safetensors"),
]
FAIL = {"what": "fail", "job": 2, "words": "score 2", "tail": ["<b>no</b>", "cause"], "logs": ["l"]}


def run_of(*events):
    run = Run({})
    run.apply({"at": 0.0, "what": "begin", "host": platform.node(), "pid": 1, "created": 0.0})
    for number, event in enumerate(events, start=1):
        run.apply({"at": float(number), **event})
    return run


def test_a_run_goes_on(folder):
    run = run_of(*EVENTS)
    assert run.status == "running"
    text = rendered(run, PAGE)
    assert "1 of 3 jobs" in text
    assert '<meta http-equiv="refresh"' in text
    assert '<td>score</td><td class="number">1 of 2</td>' in text
    assert "<td>all</td>" not in text
    assert "<td>train 3</td>" in text


def test_failures_stand_out_and_are_escaped():
    text = rendered(run_of(*EVENTS, FAIL, {"what": "end"}), PAGE)
    assert "The run has failed jobs" in text
    assert '<div class="failed"><b>score 2</b>' in text
    assert "&lt;b&gt;no&lt;/b&gt;\ncause" in text
    assert "http-equiv" not in text


def test_how_runs_end():
    assert run_of(*EVENTS, FAIL, {"what": "end"}).status == "failed"
    assert run_of(*EVENTS, {"what": "end"}).status == "stopped"
    done = ({"what": "finish", "job": job} for job in (2, 3))
    assert run_of(*EVENTS, *done, {"what": "end"}).status == "finished"
    # A job that failed and was tried again is no failure.
    again = (FAIL, start(2, output="x"), *({"what": "finish", "job": job} for job in (2, 3)))
    assert run_of(*EVENTS, *again, {"what": "end"}).status == "finished"


def test_curves_while_it_trains_and_afterwards(folder):
    (folder / "train.log").write_text(LOG)
    ((words, curves),) = run_of(*EVENTS).curves()
    assert words == "train 3"
    # Of a later stage, rows are counted; what is no number is left out.
    assert curves == {
        "train loss": [(1, 0.9), (2, 0.7)],
        "dev loss": [(1, 0.8), (2, 0.6), (3, 0.5)],
        "dev eer": [(1, 0.5), (2, 0.25), (3, 0.25)],
    }
    (folder / "out").mkdir()
    (folder / "out/history.tsv").write_text(HISTORY)
    ((_, curves),) = run_of(*EVENTS).curves()
    assert curves == {
        "train loss": [(1, 0.9), (2, 0.6)],
        "dev loss": [(1, 0.8), (2, 0.4)],
        "dev eer": [(1, 0.5), (2, 0.1)],
    }
    text = rendered(run_of(*EVENTS), PAGE)
    # Losses share a chart: 0.9 at the top left, 0.4 at the bottom right.
    assert 'points="0.0,0.0 240.0,54.0"' in text
    assert 'points="0.0,18.0 240.0,90.0"' in text
    assert len(re.findall("<svg", text)) == 2


def test_a_page_and_its_journal(folder, monkeypatch):
    monkeypatch.setattr(run_page, "_EVERY_SECONDS", 0.01)
    told = []
    page = RunPage(folder / "logs/own/run.html", told.append)
    for event in EVENTS:
        page.record(**event)
    deadline = time.monotonic() + 10
    while "train 3" not in (folder / "logs/own/run.html").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # Another process does that; in this one both would use the same temporary name at once.
    with page._lock:
        assert rebuild(page.page) == "running"
    page.record(**FAIL)
    page.close()
    text = page.page.read_text()
    assert "The run has failed jobs" in text
    page.page.unlink()
    assert rebuild(page.page) == "failed"
    assert page.page.read_text() == text
    assert told == []
    assert sorted(path.name for path in page.page.parent.iterdir()) == ["run.html", "run.jsonl"]


KILLED = """
import os, signal, sys
from pathlib import Path
from spoofscope.run_page import RunPage
page = RunPage(Path("logs/own/run.html"), print)
page.record("plan", counts={"score": 1})
page.record("start", job=1, rule="score", words="score x", log="", output="x")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_is_said_to_be_stopped(folder, capsys):
    subprocess.run([sys.executable, "-c", KILLED], cwd=folder)
    journal = folder / "logs/own/run.jsonl"
    # The kill has cut a line.
    journal.write_text(journal.read_text() + '{"at": 17')
    assert main(["page", "own"]) == 0
    assert capsys.readouterr().out == "logs/own/run.html: stopped\n"
    text = (folder / "logs/own/run.html").read_text()
    assert "The run was stopped" in text
    assert "Unfinished at the end" in text
    assert "score x" in text
    assert "It ended without a word" in text
    assert "goes on where it was" in text
    assert "http-equiv" not in text


def test_a_run_that_waits_says_that_it_lives(folder, monkeypatch):
    monkeypatch.setattr(run_page, "_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(run_page, "_PULSE_SECONDS", 0.02)
    page = RunPage(folder / "run.html", print)
    page.record(**EVENTS[0])
    deadline = time.monotonic() + 10
    while '"alive"' not in journal_of(page.page).read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    page.close()


def dead_journal(page, *events, host):
    begin = {"at": 1000.0, "what": "begin", "host": host, "pid": 1, "created": 0.0}
    began = {**begin, "folder": "/study"}
    journal_of(page).parent.mkdir(parents=True, exist_ok=True)
    journal_of(page).write_text("".join(json.dumps(event) + "\n" for event in (began, *events)))


def test_a_killed_run_counts_to_its_last_sign_of_life(folder):
    page = folder / PAGE
    starts = [{"at": 1000.0, **event} for event in EVENTS]
    dead_journal(page, *starts, {"at": 4600.0, "what": "alive"}, host=platform.node())
    assert rebuild(page) == "stopped"
    text = page.read_text()
    assert "1 h 0 min since the start" in text
    assert '<td>train 3</td><td class="number">1 h 0 min</td>' in text
    # One that had failures before the kill has unfinished jobs, too.
    fail = {"at": 2000.0, **FAIL}
    dead_journal(page, *starts, fail, {"at": 4600.0, "what": "alive"}, host=platform.node())
    assert rebuild(page) == "failed"
    assert "It ended without a word" in page.read_text()


def test_nobody_claims_to_know_of_another_machine(folder, capsys):
    page = folder / PAGE
    starts = [{"at": 1000.0, **event} for event in EVENTS]
    dead_journal(page, *starts, {"at": 1900.0, "what": "alive"}, host="elsewhere")
    assert main(["page", "own"]) == 0
    assert "only its machine can say" in capsys.readouterr().out
    text = page.read_text()
    assert "No news of this run" in text
    assert "The run goes on" not in text
    assert "15 min since the start, on elsewhere in /study" in text
    assert "<code>spoofscope page own</code> there, in /study" in text
    # What was heard of a moment ago is thought to live.
    dead_journal(page, *starts, {"at": time.time(), "what": "alive"}, host="elsewhere")
    assert rebuild(page) == "running"


@pytest.mark.parametrize(
    ("page", "command"),
    [
        (PAGE, "spoofscope page own"),
        ("/study/logs/own/run.html", "spoofscope page own"),
        ("my run.html", "spoofscope page &#39;my run.html&#39;"),
    ],
)
def test_a_page_names_the_command_that_makes_it_anew(page, command):
    assert f"<code>{command}</code>" in rendered(run_of(*EVENTS), page)


def test_a_process_of_that_number_is_not_that_process(folder):
    created = psutil.Process().create_time()
    page = folder / "run.html"
    for shift, status in ((0, "running"), (-3600, "stopped")):
        begin = {"at": 0.0, "what": "begin", "host": platform.node(), "pid": os.getpid()}
        journal_of(page).write_text(json.dumps({**begin, "created": created + shift}) + "\n")
        assert rebuild(page) == status


def test_what_is_no_journal(folder, capsys):
    assert main(["page", "nothing"]) == 2
    assert "logs/nothing/run.jsonl: there is no such journal" in capsys.readouterr().err
    page = folder / "run.html"
    journal_of(page).write_text('{"at": 1, "what": "finish"}\n{"at": 2, "what": "end"}\n')
    with pytest.raises(ConfigError, match=r"run.jsonl, line 1: no event of a run"):
        rebuild(page)
    assert not page.exists()
    assert page_of("own").parts == ("logs", "own", "run.html")


def test_a_full_disk_stops_no_run(small_disk):
    told = []
    page = RunPage(small_disk / "run.html", told.append)
    (small_disk / "filler").write_bytes(b"x" * (os.statvfs(small_disk).f_bavail * 4096 - 4096))
    for number in range(3000):
        page.record("note", text=f"{number}" * 20)
    page.close()
    assert len(told) == 1
    assert "run.html is not kept any more: " in told[0]
