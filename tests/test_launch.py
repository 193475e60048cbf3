"""What a run is started with: recorded once, and held against what its jobs find."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from spoofscope import launch
from spoofscope.errors import ConfigError
from spoofscope.identity import code_closure, code_digest
from spoofscope.provenance.sidecars import write_sidecar

STUDY = {"study": "s", "seed": 1}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Two scripts, one of which uses a module; a rule file; and the record of a launch."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(launch.LAUNCH, "")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/__init__.py").write_text("")
    (tmp_path / "pkg/metrics.py").write_text('"""Rates."""\n\nRATE = 1\n')
    (tmp_path / "a.py").write_text("from pkg.metrics import RATE\n")
    (tmp_path / "b.py").write_text("print(1)\n")
    (tmp_path / "page.html.j2").write_text("<p>\n")
    (tmp_path / "Snakefile").write_text("rule all:\n")
    return tmp_path


def codes(folder: Path) -> dict[str, str]:
    """Digests of the scripts' code, as a process finds them that starts now."""
    code = (
        "from spoofscope.identity import code_digest\n"
        "from pathlib import Path\n"
        "print(code_digest('a.py', root=Path.cwd(), package='pkg'))\n"
        "print(code_digest('b.py', root=Path.cwd(), package='pkg', files=['page.html.j2']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    return dict(zip("ab", done.stdout.split(), strict=True))


def start(folder: Path) -> Path:
    code = {}
    for script, files in (("a.py", []), ("b.py", ["page.html.j2"])):
        arguments = (script, (), folder, "pkg", files)
        code[code_digest(*arguments)] = code_closure(*arguments)
    return launch.record_launch("s", STUDY, code, [folder / "Snakefile"])


def test_unchanged_code_and_another_docstring_pass(project):
    start(project)
    found = codes(project)
    launch.check_code(found["a"])
    launch.check_code(found["b"])
    (project / "pkg/metrics.py").write_text('# Faster.\n"""Error rates."""\nRATE = 1\n')
    launch.check_code(found["a"])


@pytest.mark.parametrize(
    ("name", "text", "hit"),
    [
        ("pkg/metrics.py", "RATE = 2\n", "a"),
        ("pkg/metrics.py", "RATE = \n", "a"),
        ("b.py", "print(2)\n", "b"),
        ("page.html.j2", "<b>\n", "b"),
    ],
)
def test_an_edit_is_named_and_concerns_only_the_jobs_that_use_the_file(project, name, text, hit):
    start(project)
    recorded = codes(project)
    (project / name).write_text(text)
    (other,) = set(recorded) - {hit}
    launch.check_code(recorded[other])
    with pytest.raises(ConfigError, match=f"^{name} was edited after the workflow was started"):
        launch.check_code(recorded[hit])


def test_a_cluster_job_that_works_out_another_digest_is_refused(project):
    start(project)
    (project / "pkg/metrics.py").write_text("RATE = 2\n")
    with pytest.raises(ConfigError, match=r"^pkg/metrics.py was edited"):
        launch.check_code(codes(project)["a"])


def test_a_cluster_job_needs_the_study_and_the_rules_of_the_launch(project):
    launched = start(project)
    assert json.loads(launched.read_text()) == STUDY
    launch.check_cluster_job(STUDY)
    with pytest.raises(ConfigError, match=r"^the study file was edited"):
        launch.check_cluster_job({**STUDY, "seed": 2})
    (project / "Snakefile").write_text("rule every:\n")
    with pytest.raises(ConfigError, match=r"^Snakefile was edited"):
        launch.check_cluster_job(STUDY)


SECOND = """
import sys
from pathlib import Path
from spoofscope import launch
try:
    launch.one_run_at_a_time(sys.argv[1], sys.argv[2:])
except Exception as error:
    sys.exit(str(error))
"""


@pytest.mark.slow
def test_two_checkouts_on_one_folder_share_a_lock(project, tmp_path_factory):
    """By links, or by their path; with other folders the second one may run."""
    shared = tmp_path_factory.mktemp("disk")
    for name in ("results", "corpora"):
        (shared / name).mkdir()
    second = tmp_path_factory.mktemp("second")
    for folder in (project, second):
        (folder / "results").symlink_to(shared / "results")
    first = subprocess.Popen(
        [
            *(sys.executable, "-c", SECOND + "print('held', flush=True); input()"),
            *("mini", "results/mini", str(shared / "corpora")),
        ],
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout.readline() == "held\n"

    def tried(*places: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", SECOND, "mini", *places],
            cwd=second,
            capture_output=True,
            text=True,
        )
        return done.stderr

    for place in ("results/mini", str(shared / "corpora"), f"{shared}/results/../corpora"):
        told = tried(place)
        assert told.startswith("another run of the workflow writes to ")
        assert f"process {first.pid} on " in told
        assert told.count("\n") == 1
    assert tried("results/other") == ""
    assert tried() == ""
    first.communicate("\n")
    assert tried("results/mini", str(shared / "corpora")) == ""
    # Nothing but the empty folder is left.
    assert [path for path in shared.rglob("*") if path.is_file()] == []


HOLD = SECOND + "print('held', flush=True); input()"


@pytest.mark.slow
def test_another_study_may_run_here(project):
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, "mini", "results/mini"],
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout.readline() == "held\n"

    def tried(*arguments: str) -> str:
        command = [sys.executable, "-c", SECOND, *arguments]
        return subprocess.run(command, cwd=project, capture_output=True, text=True).stderr

    assert tried("other", "results/other") == ""
    told = tried("mini", "results/elsewhere")
    assert told.startswith(f"another run of the study mini goes on in {project}: process ")
    assert tried("other", "results/mini").startswith("another run of the workflow writes to ")
    first.communicate("\n")
    assert tried("mini", "results/mini") == ""


def test_claims_of_one_output_meet_wherever_jobs_were_started(project, tmp_path_factory):
    shared = tmp_path_factory.mktemp("disk")
    (project / "results").symlink_to(shared)
    launch.record_launch("s", STUDY, {}, [], places=["results/mini"])
    expected = shared / "mini/.spoofscope"
    assert launch.lock_folder("results/mini/tables/a.tsv") == expected
    assert launch.lock_folder(shared / "mini/tables/a.tsv") == expected
    assert launch.lock_folder("elsewhere/a.tsv") == launch.FOLDER


def test_a_new_launch_replaces_the_record_of_the_old(project, monkeypatch):
    start(project)
    old = os.environ[launch.LAUNCH]
    launch.record_launch("s", {**STUDY, "seed": 2}, {}, [])
    launch.record_launch("other", STUDY, {}, [])
    for study in ("s", "other"):
        assert len(list((launch.FOLDER / "runs" / study).glob("*.json"))) == 2
    monkeypatch.setenv(launch.LAUNCH, old)
    with pytest.raises(ConfigError, match="another run of the study was started"):
        launch.check_code("0" * 12)


def test_without_a_record_nothing_is_compared(project, monkeypatch):
    monkeypatch.delenv(launch.LAUNCH)
    launch.check_code("0" * 12)
    launch.check_cluster_job(STUDY)
    launch.end_with_main_process()


# --- processes -----------------------------------------------------------------------------------

MAIN = """
import subprocess, sys
from spoofscope import launch
launch.record_launch("s", {}, {}, [])
job = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=sys.stdout)
job.wait()
"""
JOB = """
import time
from spoofscope import launch
launch.end_with_main_process()
print("at work", flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_a_job_ends_with_the_main_process(tmp_path):
    main = subprocess.Popen(
        [sys.executable, "-c", MAIN, JOB], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert main.stdout.readline() == "at work\n"
    main.send_signal(signal.SIGKILL)
    # The pipe ends when the last process that writes to it has ended: the job.
    assert main.stdout.read() == ""
    main.wait()


# --- jobs of a killed run ------------------------------------------------------------------------

UUID = "7d660831-7bd6-4564-b6fd-ef8d1bb43b23"
SLURM = """#!/bin/sh
case $0 in
*squeue) cat queue;;
*scancel) echo "$@" >> cancelled; grep -v "^7|" queue > rest; mv rest queue;;
esac
"""


@pytest.fixture
def slurm(project, monkeypatch) -> None:
    """Stand-ins for Slurm's commands, which know the file `queue`."""
    programs = project / "bin"
    programs.mkdir()
    for name in ("squeue", "scancel"):
        (programs / name).write_text(SLURM)
        (programs / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_leftover_jobs_of_this_folder_are_cancelled(project):
    """With stand-ins for Slurm's commands; tests/workflow does it on a cluster."""
    others = [
        f"8|spoofscope_{UUID}|/somewhere/else",
        f"9|another_{UUID}|{project}",
        f"10|spoofscope_notes|{project}",
    ]
    (project / "queue").write_text("\n".join([f"7|spoofscope_{UUID}|{project}", *others]) + "\n")
    launch.cancel_leftover_jobs("s", "spoofscope")
    assert (project / "cancelled").read_text() == "7\n"
    assert (project / "queue").read_text().splitlines() == others
    launch.cancel_leftover_jobs("s", "spoofscope")
    assert (project / "cancelled").read_text() == "7\n"


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_jobs_of_another_study_that_runs_are_left_alone(project):
    """Until its run has ended, however it ends."""
    (project / "queue").write_text(f"7|spoofscope_{UUID}|{project}\n")
    code = f"""
from spoofscope import launch
launch.one_run_at_a_time("other")
launch.record_launch("other", {{}}, {{}}, [], slurm_run="spoofscope_{UUID}")
print("held", flush=True)
input()
"""
    other = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == "held\n"
    launch.cancel_leftover_jobs("s", "spoofscope")
    assert not (project / "cancelled").exists()
    other.kill()
    other.wait()
    launch.cancel_leftover_jobs("s", "spoofscope")
    assert (project / "cancelled").read_text() == "7\n"


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_jobs_of_the_former_run_of_the_study_are_cancelled(project):
    """The study's lock is held by the run that cancels them, and the record is the former one."""
    (project / "queue").write_text(f"7|spoofscope_{UUID}|{project}\n")
    launch.record_launch("s", STUDY, {}, [], slurm_run=f"spoofscope_{UUID}")
    code = """
from spoofscope import launch
launch.one_run_at_a_time("s")
launch.cancel_leftover_jobs("s", "spoofscope")
"""
    subprocess.run([sys.executable, "-c", code], cwd=project, check=True)
    assert (project / "cancelled").read_text() == "7\n"


def test_an_unreachable_cluster_is_an_error(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project))
    with pytest.raises(ConfigError, match="squeue fails"):
        launch.cancel_leftover_jobs("s", "spoofscope")


def test_warnings_of_manifests_are_said_at_the_end(tmp_path):
    """Once for each corpus, whatever else there is; what is not made yet has nothing to say."""
    made = [{"path": "a.tsv", "bytes": 1, "sha256": "0" * 64}]
    told = {"even": [], "small": ["dev has 8 trials", "1 attack is in eval only"], "odd": ["a\x1b"]}
    paths = {corpus: tmp_path / f"{corpus}.json" for corpus in (*told, "none", "damaged", "old")}
    for corpus, warnings in told.items():
        write_sidecar(paths[corpus], {"outputs": made, "warnings": warnings})
    write_sidecar(paths["old"], {"outputs": made})
    paths["damaged"].write_text("{")
    assert launch.warnings_of(paths) == [
        "Before you use the numbers (see also the top of the report):",
        "corpus small: dev has 8 trials",
        "corpus small: 1 attack is in eval only",
        r"corpus odd: a\x1b",
    ]
    assert launch.warnings_of({"even": paths["even"]}) == []
