"""A real Slurm cluster on this machine, and what runs on it."""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from checkout import ROOT, Checkout

SCRIPT = ROOT / "tests/slurm/slurm_local.sh"
CONFIGURATION = Path("/etc/slurm/slurm.conf")
# Where nobody but root, who runs the daemons, can put a file.
LOCK = Path("/run/spoofscope-slurm.lock")
# Nodes c1, c2 and, with one GPU each, g1 to g4; they claim to have what the rules ask for.
KNOBS = {
    "SLURM_LOCAL_NODES_CPU": "2",
    "SLURM_LOCAL_NODES_GPU": "4",
    "SLURM_LOCAL_GPUS": "1",
    "SLURM_LOCAL_CPUS": "8",
    "SLURM_LOCAL_MEM_MB": "200000",
}
# The cluster has no accounting; the machine is small.
PROFILES = (
    *("--profile", "profiles/slurm/sites/no_accounting.yaml"),
    *("--profile", "tests/slurm/profile"),
)


@dataclass(frozen=True)
class ClusterJob:
    """A job as Slurm lists it; `name` is its rule and wildcards."""

    id: str
    name: str
    partition: str
    state: str
    cpus: str
    memory: str
    limit: str
    gres: str
    gpus: str
    node: str
    restarts: str
    start: str
    end: str
    folder: str

    @property
    def rule(self) -> str:
        return self.name.split("_wildcards_")[0].removeprefix("rule_")


def slurm(*command: str) -> str:
    """Output of one of Slurm's own commands."""
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def control(*arguments: str) -> str:
    """Output of the script that runs the cluster."""
    done = subprocess.run(
        ["bash", str(SCRIPT), *arguments],
        env={**os.environ, **KNOBS},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@contextmanager
def running_cluster() -> Iterator[None]:
    """The cluster, up inside and gone afterwards; skips the test where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("starting the daemons of Slurm needs root")
    missing = [name for name in ("munged", "slurmctld", "slurmd") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed (Debian packages munge and slurm-wlm)")
    if CONFIGURATION.exists() and "written by slurm_local.sh" not in CONFIGURATION.read_text():
        pytest.skip(f"{CONFIGURATION} is this machine's own")
    with LOCK.open("a") as lock:
        # There is one cluster per machine; other test runs wait for their turn.
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            control("down", "--purge")
            control("up")
            yield
        finally:
            control("down", "--purge")
        assert not CONFIGURATION.exists()


def jobs_of(study: Checkout) -> list[ClusterJob]:
    """All jobs that were submitted from a checkout, in order."""
    lines = control("jobs").splitlines()
    jobs = [ClusterJob(*line.split("|")) for line in lines if line.count("|") == 13]
    return [job for job in jobs if Path(job.folder) == study.folder]


def arguments(*profiles: str) -> list[str]:
    """Arguments for Snakemake on this cluster, with further profiles."""
    return [*PROFILES, *(part for profile in profiles for part in ("--profile", profile))]


def start(study: Checkout, *more: str, cold: bool = True) -> subprocess.Popen[str]:
    """Start Snakemake on the cluster, as leader of a process group of its own.

    Args:
        cold: as `start` of `make`.
    """
    log = (study.folder / "snakemake.out").open("a")
    streams = {"stdout": log, "stderr": subprocess.STDOUT}
    profile = "profiles/slurm"
    return study.begin(*arguments(), *more, profile=profile, start=cold, **streams)


def output(study: Checkout) -> str:
    """What the runs that were started with `start` have printed."""
    return (study.folder / "snakemake.out").read_text()


def make(study: Checkout, *more: str, timeout: float = 900, start: bool = True) -> str:
    """Run Snakemake on the cluster, which has to succeed; returns what it printed.

    Args:
        start: in processes that are started for it, as a user's are, here and on the nodes;
            otherwise in forks of some that have imported Snakemake and the packages of scripts.
    """
    done = study.snakemake(
        *arguments(), *more, profile="profiles/slurm", timeout=timeout, start=start
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def wait_until(what: str, condition: Callable[[], object], seconds: float = 240) -> None:
    """Wait for a state.

    Raises:
        AssertionError: it did not come.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def scripts(study: Checkout, rule: str) -> dict[str, psutil.Process]:
    """Processes in which the script of a rule runs, by Slurm's job id."""
    found = {}
    for process in study.processes():
        # It may end before it is looked at.
        with suppress(psutil.Error, KeyError):
            if process.cmdline()[-1:] and process.cmdline()[-1].endswith(f".{rule}.py"):
                found[process.environ()["SLURM_JOB_ID"]] = process
    return found
