"""The script that runs a test cluster, as root, executes nothing that it did not write."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "slurm/slurm_local.sh"
GOOD = "ACCOUNTING=none N_CPU=0 N_GPU=0 CPUS=4 MEM_MB=8000 GPUS=1 CGROUP=none"
GOOD += " NODE_TIMEOUT=20 PORT=1"


def run(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(SCRIPT), "status"],
        env={"PATH": os.environ["PATH"], "SLURM_LOCAL_DIR": str(folder), **variables},
        cwd=folder.parent,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    return folder


def test_the_knobs_of_a_cluster_are_read(state: Path) -> None:
    (state / "knobs").write_text(GOOD + "\n")
    (state / "knobs").chmod(0o644)
    done = run(state, SLURM_LOCAL_NODES_CPU="2")
    assert (done.returncode, done.stderr) == (3, "")
    assert "slurmctld not running" in done.stdout
    assert "slurmd c1" not in done.stdout


@pytest.mark.parametrize(
    ("knobs", "told"),
    [
        ("a[$(touch${IFS}run)]=1", "is no knob"),
        ("PATH=/tmp", "PATH is no knob"),
        ("N_CPU=a[$(touch${IFS}run)]", "is no number"),
        ("N_CPU=", "N_CPU= is no number"),
        ("CGROUP=$(touch${IFS}run)", "is no word"),
        ("N_CPU", "N_CPU=N_CPU is no number"),
        ("PORT=99999999999", "is no number"),
    ],
)
def test_other_knobs_are_refused_and_not_executed(state: Path, knobs: str, told: str) -> None:
    (state / "knobs").write_text(f"{GOOD} {knobs}\n")
    (state / "knobs").chmod(0o644)
    done = run(state)
    assert done.returncode == 1
    assert told in done.stderr
    assert not (state.parent / "run").exists()


@pytest.mark.parametrize("variable", ["NODES_CPU", "GPUS", "PORT_BASE", "CGROUP"])
def test_nor_are_those_of_the_environment(state: Path, variable: str) -> None:
    done = run(state, **{f"SLURM_LOCAL_{variable}": "a[$(touch run)]"})
    assert done.returncode == 1
    assert "is no " in done.stderr
    assert not (state.parent / "run").exists()


def test_files_that_others_can_write_are_refused(state: Path) -> None:
    knobs = state / "knobs"
    knobs.write_text(GOOD)
    knobs.chmod(0o666)
    assert f"{knobs} belongs to somebody else" in run(state).stderr
    knobs.unlink()
    knobs.symlink_to(SCRIPT)
    assert f"{knobs} belongs to somebody else" in run(state).stderr
    knobs.unlink()
    state.chmod(0o777)
    assert f"{state} belongs to somebody else" in run(state).stderr
    link = state.with_name("link")
    link.symlink_to(state)
    state.chmod(0o755)
    assert f"{link} belongs to somebody else" in run(link).stderr
