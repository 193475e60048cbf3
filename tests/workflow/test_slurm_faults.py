"""Trainings on a real Slurm cluster that are cancelled, cut off, bereft of their node or of the
main process; and edits while jobs wait."""

import copy
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import cluster
import psutil
import pytest
from checkout import TINY_STUDY, Checkout
from cluster import jobs_of, slurm, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ACTIVE = {"PENDING", "RUNNING", "COMPLETING", "SUSPENDED"}


@pytest.fixture(scope="module", autouse=True)
def slurm_cluster() -> Iterator[None]:
    with cluster.running_cluster():
        yield


def long_study(learning_rates: list[float]) -> dict:
    """The tiny study, with trainings of some seconds that may be resumed after every step."""
    study = copy.deepcopy(TINY_STUDY)
    detector = study["detectors"].pop("lfcc_linear")
    for rate in learning_rates:
        detector = copy.deepcopy(detector)
        recipe = {"epochs": 30, "lr": rate, "checkpoint_minutes": 1.0e-6}
        detector["train"]["recipe"].update(recipe)
        study["detectors"][f"rate_{str(rate).replace('.', '_')}"] = detector
    return study


def weights(study: Checkout, *arguments: str) -> list[str]:
    """The weights that are still to be trained."""
    plan = study.plan(*arguments)
    return sorted(job.outputs[0] for job in plan if job.rule == "train")


def contents(study: Checkout, names: list[str]) -> dict[str, bytes]:
    """Weights, and what else a training saves."""
    folders = [(study.folder / name).parent for name in names]
    files = [folder / file for folder in folders for file in ("model.safetensors", "history.tsv")]
    return {str(path.relative_to(study.folder)): path.read_bytes() for path in files}


def pause_trainings(study: Checkout, targets: list[str]) -> None:
    """Wait until every training has written a checkpoint, and stop it there for a while: so it is
    not over before it is disturbed."""
    paused: set[str] = set()

    def all_paused() -> bool:
        names = {job.id: job.name for job in jobs_of(study)}
        for number, process in cluster.scripts(study, "train").items():
            (run,) = (run_of(target) for target in targets if run_of(target) in names[number])
            checkpoint = study.folder / f"results/tiny/work/{run}/seed1/resume.pt"
            if number not in paused and checkpoint.exists():
                process.suspend()
                paused.add(number)
        return len(paused) == len(targets)

    wait_until(f"{len(targets)} trainings with a checkpoint", all_paused)


def run_of(target: str) -> str:
    return Path(target).parts[-3]


def node_state(node: str) -> str:
    return slurm("sinfo", "-h", "-N", "-n", node, "-o", "%T")


def log_of(study: Checkout, target: str) -> str:
    path = study.folder / f"logs/tiny/train/{run_of(target)}/seed1.log"
    # Snakemake deletes the log of the attempt before.
    return path.read_text() if path.exists() else ""


def assert_one_after_the_other(jobs: list[cluster.ClusterJob]) -> None:
    """No job starts before the one before it has ended."""
    for before, after in pairwise(jobs):
        assert before.end <= after.start


def wait_for_the_end_of_processes(study: Checkout) -> None:
    """Wait until nothing works in the checkout.

    Raises:
        AssertionError: something still does after four minutes; it is named.
    """
    deadline = time.monotonic() + 240
    while processes := study.processes():
        # One that ends here is not there in the next round.
        with suppress(psutil.NoSuchProcess):
            named = [each.as_dict(["pid", "ppid", "status", "cmdline"]) for each in processes]
            assert time.monotonic() < deadline, f"still there: {named}"
        time.sleep(0.1)


def test_disturbed_trainings_end_in_the_same_weights(tiny, tmp_path):
    study = tiny.copy(tmp_path / "disturbed")
    arguments = ("--configfile", study.write_study(long_study([0.01, 0.02, 0.03, 0.04])))
    targets = weights(study, *arguments)
    assert len(targets) == 4
    undisturbed = study.copy(tmp_path / "undisturbed")
    undisturbed.make(*arguments, "--", *targets)

    main = cluster.start(study, *arguments, "--", *targets)
    pause_trainings(study, targets)
    first = [job for job in jobs_of(study) if job.rule == "train"]
    assert len({job.node for job in first}) == 4
    cancelled, limited, lost, unreachable = first
    ghost = cluster.scripts(study, "train")[unreachable.id]
    slurm("scancel", cancelled.id)
    slurm("scontrol", "update", f"jobid={limited.id}", "timelimit=1")
    # One node dies with its job. Slurm loses sight of another, where the job lives on.
    cluster.control("fail-node", lost.node)
    cluster.control("kill-node", unreachable.node)
    wait_until(f"{lost.node} is down", lambda: node_state(lost.node).startswith("down"))
    cluster.control("start-node", lost.node)
    (target,) = (target for target in targets if run_of(target) in unreachable.name)
    waiting = "still being made by"
    wait_until("the job that follows it waits", lambda: waiting in log_of(study, target), 400)
    assert ghost.is_running()
    # A node that comes back ends what should not be there.
    cluster.control("start-node", unreachable.node)
    assert main.wait(timeout=900) == 0, cluster.output(study)[-6000:]

    assert contents(study, targets) == contents(undisturbed, targets)
    jobs = {before: [job for job in jobs_of(study) if job.name == before.name] for before in first}
    assert {before.id: [job.state for job in after] for before, after in jobs.items()} == {
        cancelled.id: ["CANCELLED", "COMPLETED"],
        limited.id: ["TIMEOUT", "COMPLETED"],
        lost.id: ["COMPLETED"],
        unreachable.id: ["COMPLETED"],
    }
    for before in (lost, unreachable):
        (after,) = jobs[before]
        assert (after.id, after.restarts) == (before.id, "1")
    for after in jobs.values():
        assert_one_after_the_other(after)
    for target in targets:
        assert "resuming from" in log_of(study, target), target
    assert study.plan(*arguments, "--", *targets) == []


def test_stopped_and_killed_main_process(tiny, tmp_path):
    study = tiny.copy(tmp_path / "stopped")
    arguments = ("--configfile", study.write_study(long_study([0.04])))
    targets = weights(study, *arguments)
    undisturbed = study.copy(tmp_path / "undisturbed")
    undisturbed.make(*arguments, "--", *targets)

    # Ctrl-C reaches every process of the terminal's foreground group.
    main = cluster.start(study, *arguments, "--", *targets)
    pause_trainings(study, targets)
    os.killpg(main.pid, signal.SIGINT)
    assert main.wait(timeout=300) == 1
    wait_until("no job is left", lambda: not {j.state for j in jobs_of(study)} & ACTIVE, 60)
    wait_for_the_end_of_processes(study)
    assert not (study.folder / targets[0]).exists()

    # A crash of the login node: nobody tells Slurm.
    main = cluster.start(study, *arguments, "--", *targets)
    pause_trainings(study, targets)
    main.kill()
    main.wait()
    assert [job.state for job in jobs_of(study)] == ["CANCELLED", "RUNNING"]
    text = cluster.make(study, *arguments, "--", *targets)
    assert "cancelling jobs that a former run left" in text
    jobs = jobs_of(study)
    assert [job.state for job in jobs] == ["CANCELLED", "CANCELLED", "COMPLETED"]
    assert {job.rule for job in jobs} == {"train"}
    assert_one_after_the_other(jobs)
    assert "resuming from" in log_of(study, targets[0])
    assert contents(study, targets) == contents(undisturbed, targets)
    wait_for_the_end_of_processes(study)


@pytest.fixture
def waiting(tiny, tmp_path) -> Checkout:
    """The tiny study with one set of features and the weights still to make."""
    study = tiny.copy(tmp_path / "edited")
    shutil.rmtree(study.folder / "results/tiny/detectors")
    for path in (study.folder / "results/tiny/features").glob("*/*/train-*"):
        path.unlink()
    return study


def edit_while_training_waits(study: Checkout, target: str, path: str, text: str) -> int:
    """Start a run, edit a file while features are still extracted, and wait for the exit code."""
    arguments = ("--configfile", "study.yaml", "--retries", "0", "--", target)
    main = cluster.start(study, *arguments, cold=False)
    wait_until("features are extracted", lambda: cluster.scripts(study, "extract_features"))
    (study.folder / path).write_text(text)
    return main.wait(timeout=600)


def test_study_edited_during_a_run(tiny, waiting):
    (target,) = weights(waiting, "--configfile", "study.yaml")
    original = (waiting.folder / "study.yaml").read_text()
    edited = original.replace("lr: 0.01", "lr: 0.5")
    assert edited != original
    code = edit_while_training_waits(waiting, target, "study.yaml", edited)
    assert code == 0, cluster.output(waiting)[-6000:]
    assert [job.rule for job in jobs_of(waiting)] == ["extract_features", "train"]
    # What was trained is what the run was started with, and is recorded as that.
    assert contents(waiting, [target]) == contents(tiny, [target])
    sidecar = json.loads((waiting.folder / f"{target}.origin.json").read_text())
    assert sidecar["parameters"]["settings"]["recipe"]["lr"] == 0.01
    (planned,) = weights(waiting, "--configfile", "study.yaml")
    assert planned != target
    (waiting.folder / "study.yaml").write_text(original)
    assert waiting.plan("--configfile", "study.yaml", "--", target) == []


# test_one_run.py has the same without a cluster, in every run.
@pytest.mark.every_fault
def test_code_edited_during_a_run(tiny, waiting):
    (target,) = weights(waiting, "--configfile", "study.yaml")
    path = "src/spoofscope/backends/linear.py"
    original = (waiting.folder / path).read_text()
    code = edit_while_training_waits(waiting, target, path, original + "\nANOTHER = 1\n")
    assert code == 1
    assert f"{path} was edited after the workflow was started" in cluster.output(waiting)
    assert not (waiting.folder / target).exists()
    (waiting.folder / path).write_text(original)
    assert weights(waiting, "--configfile", "study.yaml") == [target]
