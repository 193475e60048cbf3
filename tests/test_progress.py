"""What people see of a run."""

import io
import logging
import os
import re
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from spoofscope.files import LOGS_ARE_SHOWN
from spoofscope.pace import Pace, duration, earlier_seconds, epoch_of, words_of
from spoofscope.progress import LogHandler


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_work_counts_by_what_jobs_take_and_not_by_their_number():
    clock = Clock()
    pace = Pace({"train": 100.0, "table": 1.0}, clock)
    pace.plan({"train": 1, "table": 9})
    assert pace.total == 10
    for number in range(9):
        pace.start(number, "table", "table", "")
        clock.now += 1
        pace.finish(number)
    # Nine of ten jobs, and a twelfth of the work.
    assert pace.done == 9
    assert pace.share == pytest.approx(9 / 109)
    assert pace.seconds_left is None
    pace.start(9, "train", "train", "")
    clock.now += 50
    assert pace.share == pytest.approx(59 / 109)
    assert pace.seconds_left == pytest.approx(50)
    # As long as expected, and not done: some is left.
    clock.now += 50
    assert pace.share == pytest.approx(109 / 119)
    assert pace.seconds_left == pytest.approx(10)
    # Twice as long as expected: as much again is left, and what was shown is not taken back.
    clock.now += 100
    assert pace.share == pytest.approx(109 / 119)
    assert pace.seconds_left == pytest.approx(100)
    pace.finish(9)
    assert (pace.share, pace.seconds_left, pace.done) == (1.0, 0.0, 10)


def test_jobs_beside_each_other_halve_the_time_left():
    clock = Clock()
    pace = Pace({"score": 100.0}, clock)
    pace.plan({"score": 4})
    for number in (0, 1):
        pace.start(number, "score", "score", "")
    clock.now = 100.0
    for number in (0, 1):
        pace.finish(number)
    assert pace.seconds_left == pytest.approx(100)


def test_this_run_knows_better_than_earlier_ones():
    clock = Clock()
    pace = Pace({"score": 100.0}, clock)
    pace.plan({"score": 2})
    assert pace.expected("score") == 100
    pace.start(0, "score", "score", "")
    clock.now = 10.0
    pace.finish(0)
    assert pace.expected("score") == 10
    assert pace.finish(99) is None


def test_the_share_never_falls_also_where_jobs_take_longer_than_earlier_ones():
    clock = Clock()
    pace = Pace({"score": 10.0, "train": 10.0}, clock)
    pace.plan({"score": 1, "train": 5})
    pace.start(0, "score", "score", "")
    clock.now = 10.0
    pace.finish(0)
    shares = [pace.share]
    pace.start(1, "train", "train", "")
    for _ in range(100):
        clock.now += 1.0
        shares.append(pace.share)
    pace.finish(1)
    shares.append(pace.share)
    assert shares == sorted(shares)
    # Five trainings of 100 s and not of 10 s: the time left says so.
    assert pace.seconds_left == pytest.approx(400.0)


def test_words():
    wildcards = {"run": "fbank_cnn-0f1208e3", "seed": "1", "corpus": "mini"}
    assert words_of("explain_shard", wildcards) == "explain shard fbank_cnn seed 1 mini"
    assert [duration(s) for s in (0.2, 59.4, 60, 3570, 4800)] == [
        *("1 s", "59 s", "1 min", "1 h 0 min", "1 h 20 min")
    ]


def test_earlier_runs_and_logs(tmp_path):
    benchmarks = tmp_path / "mini/benchmarks"
    for name, text in (
        ("train/a/seed1.tsv", "s\th:m:s\n10.0\t0:10\n"),
        ("train/b.tsv", "s\th:m:s\n20.0\t0:20\n"),
        ("score/c.tsv", "s\th:m:s\n"),
    ):
        path = benchmarks / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert earlier_seconds(tmp_path) == {"train": 15.0}
    assert earlier_seconds(tmp_path / "none") == {}
    log = tmp_path / "log"
    log.write_text("x" * 5000 + "\nstage 1, epoch 3 of 10: loss\n")
    assert epoch_of(str(log)) == "epoch 3 of 10"
    log.write_text("stage 2, epoch 1 of 4: loss\n")
    assert epoch_of(str(log)) == "epoch 1 of 4 of stage 2"
    assert epoch_of(str(tmp_path / "none")) == ""


class Stream(io.StringIO):
    def isatty(self):
        return False


@pytest.fixture
def handler(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(LOGS_ARE_SHOWN, raising=False)
    stream = Stream()
    monkeypatch.setattr("sys.stderr", stream)
    settings = SimpleNamespace(stdout=False, nocolor=False, dryrun=False)
    made = LogHandler(settings, None)
    yield made, stream
    made.close()


def record(event=None, text="", level=logging.INFO, **fields):
    made = logging.LogRecord("snakemake", level, "", 0, text, None, None)
    made.__dict__.update({"event": event} if event else {}, **fields)
    return made


def job(number, rule, log=(), output=("x",), **wildcards):
    return record(
        LogEvent.JOB_INFO,
        **{"jobid": number, "rule_name": rule, "log": list(log), "output": list(output)},
        wildcards=wildcards,
    )


def test_a_run_in_lines(handler, tmp_path):
    shown, stream = handler
    assert os.environ[LOGS_ARE_SHOWN] == "1"
    shown.emit(record(LogEvent.RUN_INFO, stats={"train": 1, "score": 1, "all": 1, "total": 3}))
    shown.emit(record(text="Building DAG of jobs..."))
    shown.emit(job(1, "train", run="cnn-01234567", seed="2"))
    shown.emit(record(LogEvent.JOB_FINISHED, job_id=1))
    log = tmp_path / "score.log"
    log.write_text("\n".join(f"line {i}" for i in range(40)))
    shown.emit(job(2, "score", [str(log)], corpus="mini"))
    failed = {"jobid": 2, "rule_name": "score", "log": [str(log)]}
    shown.emit(record(LogEvent.JOB_ERROR, level=logging.ERROR, **failed))
    shown.emit(record(text="careful", level=logging.WARNING))
    shown.emit(job(0, "all", output=[]))
    shown.emit(record(LogEvent.JOB_FINISHED, job_id=0))
    shown.emit(record(text="Complete log(s): /x/y.log"))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "3 jobs to do; Ctrl-C stops, and the next run goes on"
    assert re.fullmatch(r"\[1 of 3, +\d+ %.*\]  train cnn seed 2, 1 s", lines[1])
    assert lines[2] == "failed: score mini"
    assert lines[3].strip() == "line 25"
    assert lines[17].strip() == "line 39"
    assert lines[18:] == [f"  the whole log: {log}", "careful", "Complete log(s): /x/y.log"]


def test_a_dry_run_is_shown_as_it_is(monkeypatch):
    monkeypatch.delenv(LOGS_ARE_SHOWN, raising=False)
    stream = Stream()
    monkeypatch.setattr("sys.stderr", stream)
    shown = LogHandler(SimpleNamespace(stdout=False, nocolor=False, dryrun=True), None)
    shown.setFormatter(logging.Formatter("%(message)s"))
    shown.emit(record(text="rule x: would be run"))
    shown.close()
    assert stream.getvalue() == "rule x: would be run\n"
    assert LOGS_ARE_SHOWN not in os.environ
