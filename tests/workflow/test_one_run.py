"""One run at a time: with what it was started with, and without traces when it is killed."""

import copy
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from checkout import TINY_STUDY, Checkout

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STATE = ".snakemake/spoofscope"


@pytest.fixture
def slow_study(tiny, tmp_path) -> Checkout:
    """The tiny study before a training of a second or two."""
    study = copy.deepcopy(TINY_STUDY)
    study["detectors"]["lfcc_linear"]["train"]["recipe"]["epochs"] = 100
    made = tiny.copy(tmp_path / "checkout")
    made.write_study(study)
    return made


def outputs(study: Checkout, rule: str) -> list[str]:
    jobs = study.plan("--configfile", "study.yaml")
    return [output for job in jobs if job.rule == rule for output in job.outputs]


@contextmanager
def training(
    study: Checkout, *targets: str, start: bool = False
) -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """The workflow in another process, and its training, stopped after the first checkpoint."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    arguments = ("--configfile", "study.yaml", "--", *targets)
    process = study.begin(*arguments, start=start, **streams)
    try:
        deadline = time.monotonic() + 120
        while not list(study.folder.glob("results/tiny/work/*/seed1/resume.pt")):
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        script = study.working_script()
        assert script is not None
        script.suspend()
        yield process, script
    finally:
        if process.poll() is None:
            for each in study.processes():
                # One ends with another.
                with suppress(psutil.NoSuchProcess):
                    each.kill()
        process.wait()


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".origin.json")
    }


def test_a_killed_run(slow_study, tmp_path):
    """Others are refused while it lives; its job ends with it; the next plain call goes on."""
    undisturbed = slow_study.copy(tmp_path / "undisturbed")
    (weights, *_) = targets = outputs(undisturbed, "train")
    undisturbed.make("--configfile", "study.yaml", "--", *targets)

    # In the processes of a user a job is a child of the main process.
    with training(slow_study, *targets, start=True) as (process, script):
        text = slow_study.refuse("--configfile", "study.yaml")
        assert f"another run of the study tiny goes on in {slow_study.folder}" in text
        assert f"process {process.pid} on " in text
        process.kill()
        script.resume()
        psutil.wait_procs([script], timeout=60)
        assert not script.is_running()
    assert not (slow_study.folder / weights).exists()
    log = slow_study.folder / "logs/tiny/train" / Path(weights).parts[3] / "seed1.log"
    assert "the workflow's main process has ended" in log.read_text()

    text = slow_study.make("--configfile", "study.yaml", "--", *targets)
    assert "resuming from" in text
    folder = Path(weights).parent
    assert contents(slow_study.folder / folder) == contents(undisturbed.folder / folder)


def test_two_studies_at_once(slow_study, tmp_path):
    """Each makes what it makes alone. They share the corpora, which are there."""
    alone = slow_study.copy(tmp_path / "alone")
    for study in (slow_study, alone):
        study.write_study({**TINY_STUDY, "study": "second"}, "second.yaml")
    second = ("--configfile", "second.yaml", "--", "table_headline")
    first = ("--configfile", "study.yaml", "--", "table_headline")
    alone.make(*second)
    alone.make(*first)

    with training(slow_study, "table_headline") as (process, script):
        assert "another run of the study tiny" in slow_study.refuse(*first)
        slow_study.make(*second)
        script.resume()
        text = process.stdout.read()
        assert process.wait(120) == 0, text
    for name, command in (("tiny", first), ("second", second)):
        table = f"results/{name}/tables/headline.tsv"
        assert (slow_study.folder / table).read_bytes() == (alone.folder / table).read_bytes()
        assert slow_study.plan(*command) == []


def test_dry_runs_leave_no_trace(slow_study):
    before = contents(slow_study.folder / STATE)
    slow_study.plan("--configfile", "study.yaml")
    assert contents(slow_study.folder / STATE) == before


def test_code_that_is_edited_while_the_workflow_runs(slow_study):
    """Jobs that it concerns refuse; others go on."""
    weights = outputs(slow_study, "train")
    (scores, *_) = outputs(slow_study, "gather_scores")
    with training(slow_study, scores) as (process, script):
        for name in ("scoring", "figures/det_curves"):
            with open(slow_study.folder / f"src/spoofscope/{name}.py", "a") as stream:
                stream.write("\nANOTHER = 1\n")
        script.resume()
        text = process.stdout.read()
        assert process.wait() == 1
    assert "ERROR spoofscope: src/spoofscope/scoring.py was edited after" in text
    assert "det_curves" not in text
    assert all((slow_study.folder / path).exists() for path in weights)
    assert not (slow_study.folder / scores).exists()

    text = slow_study.make("--configfile", "study.yaml", "--", scores)
    assert "rule train:" not in text
    assert slow_study.plan("--configfile", "study.yaml", "--", scores) == []
