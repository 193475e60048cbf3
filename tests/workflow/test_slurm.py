"""profiles/slurm on a real Slurm cluster, which is brought up on this machine and taken down."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from checkout import ROOT, Checkout

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SCRIPT = ROOT / "tests/slurm/slurm_local.sh"
# The nodes claim to have what profiles/slurm asks for.
CLAIMS = {"SLURM_LOCAL_MEM_MB": "100000", "SLURM_LOCAL_CPUS": "8"}


def cluster_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments],
        env={**os.environ, **CLAIMS},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
    )


@pytest.fixture
def cluster():
    if os.geteuid() != 0:
        pytest.skip("starting the daemons of Slurm needs root")
    missing = [name for name in ("munged", "slurmctld", "slurmd") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed (Debian packages munge and slurm-wlm)")
    configuration = Path("/etc/slurm/slurm.conf")
    if configuration.exists() and "written by slurm_local.sh" not in configuration.read_text():
        pytest.skip(f"{configuration} is this machine's own")
    try:
        up = cluster_command("up")
        assert up.returncode == 0, up.stdout
        yield
    finally:
        down = cluster_command("down", "--purge")
    assert down.returncode == 0, down.stdout
    assert not configuration.exists()


def contents(study: Checkout, names: list[str]) -> dict[str, bytes]:
    return {name: (study.folder / name).read_bytes() for name in names}


def test_jobs_on_a_cluster_make_the_same_bytes(tiny, tiny_copy, cluster):
    (run,) = (path.name for path in (tiny.folder / "results/tiny/detectors").iterdir())
    made = [
        f"results/tiny/detectors/{run}/seed1/model.safetensors",
        f"results/tiny/detectors/{run}/seed1/history.tsv",
        f"results/tiny/scores/{run}/seed1/talkers.eval.tsv",
        "results/tiny/audits/talkers.tsv",
        "results/tiny/figures/det_curves.tsv",
        "results/tiny/figures/det_curves.png",
    ]
    for folder in ("detectors", "work", "scores", "audits", "figures"):
        shutil.rmtree(tiny_copy.folder / "results/tiny" / folder)
    text = subprocess.run(
        [
            *tiny_copy.command(profile="profiles/slurm"),
            *("--profile", "profiles/slurm/sites/no_accounting.yaml"),
            *("--profile", "tests/slurm/profile"),
            *("--configfile", "study.yaml", "--", *made),
        ],
        cwd=tiny_copy.folder,
        env=tiny_copy.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    assert text.returncode == 0, text.stdout[-6000:]
    jobs = [line.split("|") for line in cluster_command("jobs").stdout.splitlines() if "|" in line]
    ran = sorted((comment.split("_wildcards_")[0], partition) for _, comment, partition, *_ in jobs)
    assert ran == [
        ("rule_audit_corpus", "cpu"),
        ("rule_score", "gpu"),
        ("rule_score", "gpu"),
        ("rule_train", "gpu"),
    ]
    assert {state for _, _, _, state, *_ in jobs} == {"COMPLETED"}
    assert contents(tiny_copy, made) == contents(tiny, made)
    logs = list((tiny_copy.folder / "logs/slurm").rglob("*.log"))
    assert len(logs) == len(jobs)
    # What the cluster made is fresh for the workstation too.
    assert tiny_copy.plan("--configfile", "study.yaml", "--", *made) == []
