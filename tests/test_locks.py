"""Locks between real processes: exclusive, named, and gone with their holder."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from spoofscope.errors import SpoofscopeError
from spoofscope.locks import claim, forget_claims, keep_lock

HOLD = """
    import subprocess, sys, time
    from pathlib import Path
    from spoofscope.locks import claim, keep_lock
    {take}
    child = subprocess.Popen(["sleep", "60"])
    print(child.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Start a process that takes a lock, and a program below it that outlives it."""
    started = []

    def start(take: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(HOLD).format(take=take)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process.pid)
        started.append(int(process.stdout.readline()))
        return process

    yield start
    for pid in started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_kept_lock_names_its_holder_and_ends_with_it(holder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "state/run.lock"
    process = holder("keep_lock(Path('state/run.lock'), 'another run')")
    with pytest.raises(SpoofscopeError, match=f"another run: process {process.pid} on "):
        keep_lock(path, "another run")
    process.kill()
    process.wait()
    # The child of the killed process still runs; it has not inherited the lock.
    keep_lock(path, "another run")


def test_a_lock_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(SpoofscopeError, match=r"of a lock cannot be written: .*results") as caught:
        keep_lock(tmp_path / "results/.spoofscope/run.lock", "another run")
    assert "\n" not in str(caught.value)


def test_a_claim_waits_for_the_other_process(holder, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    process = holder("claimed = claim('a/b.tsv'); claimed.__enter__()")
    with claim("a/other.tsv"):
        pass
    # A second process stands in the queue and tells when it is served.
    waiting = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import logging; logging.basicConfig()\n"
            "from spoofscope.locks import claim\n"
            "with claim('a/b.tsv'): print('served', flush=True)",
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = waiting.stderr.readline()
    assert f"a/b.tsv is still being made by process {process.pid} on " in said
    assert waiting.poll() is None
    process.kill()
    out, _ = waiting.communicate(timeout=30)
    assert out == "served\n"
    assert waiting.returncode == 0
    with claim("a/b.tsv"):
        assert len(list(tmp_path.glob(".snakemake/spoofscope/claims/*"))) == 1
    assert not list(tmp_path.glob(".snakemake/spoofscope/claims/*"))


def test_only_claims_of_living_processes_are_kept(holder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    claims = tmp_path / ".snakemake/spoofscope/claims"
    killed = holder("claimed = claim('a'); claimed.__enter__()")
    living = holder("claimed = claim('b'); claimed.__enter__()")
    killed.kill()
    killed.wait()
    assert len(list(claims.iterdir())) == 2
    forget_claims()
    (kept,) = claims.iterdir()
    assert f'"pid": {living.pid}' in kept.read_text()


def test_many_processes_one_at_a_time(tmp_path):
    """The file of a claim is deleted by its holder while others wait for it."""
    code = (
        "import time\n"
        "from pathlib import Path\n"
        "from spoofscope.locks import claim\n"
        "for _ in range(20):\n"
        "    with claim('x'):\n"
        "        Path('inside').mkdir()\n"
        "        time.sleep(0.001)\n"
        "        Path('inside').rmdir()\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path) for _ in range(4)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 4


def test_a_claim_is_given_back_when_the_work_fails(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="fails"), claim("x"):
        raise ValueError("fails")
    with claim("x"):
        pass
