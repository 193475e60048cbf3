"""What reaches inside Snakemake still gets there: one question of each function to Snakemake."""

import hashlib
import inspect
import json
import shlex
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spoofscope import snakemake_inside
from spoofscope.snakemake_inside import (
    Records,
    end_when_asked,
    only_touches,
    quote_interpreter,
    targets_of,
)

SNAKEFILE = """
from spoofscope.snakemake_inside import (
    configured_by_options,
    explain,
    give_cluster_jobs,
    makers,
    rules_without_wildcards,
    study_files,
    taken_prefix,
)


configfile: "named.json"


STUDY = "this one"
SEEN = {
    "options": dict(configured_by_options(workflow)),
    "files": [path.name for path in study_files(workflow)],
    "config": config,
    "prefixed": taken_prefix(workflow)("a"),
}


rule all:
    input:
        "made/b.txt",


rule make:
    input:
        "made/{name}.tmp",
    output:
        "made/{name}.txt",
    params:
        cfg=lambda wildcards: SEEN.setdefault("fixed", []).append(wildcards.name),
    shell:
        "cp {input} {output}"


for NAME in ["begin"]:

    rule:
        name:
            NAME
        output:
            temp("made/{name}.tmp"),
        params:
            cfg=0,
        shell:
            "touch {output}"


explain(workflow, {"begin": "It begins.", "left_out": "It is not there."})
SEEN |= {
    "explained": workflow.get_rule("begin").docstring,
    "rule": makers(workflow, "all"),
    "file": makers(workflow, "made/c.txt"),
    "nothing": makers(workflow, "elsewhere"),
    "named": rules_without_wildcards(workflow),
}
"""

ASK = """
import hashlib, json, os, sys, time
from pathlib import Path
from spoofscope.snakemake_inside import *

answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
profile = {
    "rerun-triggers": ["params"],
    "max-checksum-file-size": "1 GB",
    "rerun-incomplete": True,
}
with planned(["config.json"], profile, Path("records")) as workflow:
    seen = workflow.globals["SEEN"]
    seen["interrupted"] = sorted(interrupted_outputs(workflow))
    seen["to make"] = sorted(outputs_to_make(workflow))
    seen["only touches"] = only_touches(workflow)
    jobs = list(planned_jobs(workflow))
    seen["jobs"] = [[job.rule.name, bool(reason), temporary_outputs(job)] for job, reason in jobs]
    del seen["fixed"]
    for job, _ in jobs:
        job.reset_params_and_resources()
    fix_parameters(workflow, "another one")
    seen["of another study"] = list(seen.get("fixed", []))
    fix_parameters(workflow, workflow.globals["STUDY"])
    give_cluster_jobs(workflow, Path("given.json"))
    seen["given"] = [str(path) for path in workflow.config_settings.configfiles]
    # As in a run, where Snakemake knows no state of files from before.
    workflow.iocache.deactivate()
    seen["checksums"] = []
    (file,) = {file for job in workflow.dag.jobs if job.rule.name == "make" for file in job.input}
    Path(file).parent.mkdir()
    digest, read = hashlib.file_digest, []
    hashlib.file_digest = lambda *given: read.append(given) or digest(*given)
    remember_checksums()
    remember_checksums()
    for text in ("first", "first", "other"):
        if not Path(file).exists() or Path(file).read_text() != text:
            Path(file).write_text(text)
            # A copy in its place that keeps its old time, later than the clock of files ticks.
            os.utime(file, (1, 1))
            time.sleep(0.02)
        checksum = workflow.async_run(file.checksum(1000))
        seen["checksums"].append([checksum, len(read)])
    Path(file).unlink()
    seen["checksums"].append([workflow.async_run(file.checksum(1000)), len(read)])
json.dump(seen, answer)
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> dict[str, Any]:
    """What Snakemake shows of a workflow of two jobs, of which one was interrupted."""
    folder = tmp_path_factory.mktemp("workflow")
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "config.json").write_text('{"a": 1}')
    (folder / "named.json").write_text('{"a": 2, "b": 2}')
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    told["folders"] = sorted(path.name for path in folder.iterdir())
    return told


@pytest.mark.slow
def test_rules_and_targets(seen):
    assert seen["rule"] == ["all"]
    assert seen["file"] == ["make"]
    assert seen["nothing"] == []
    assert seen["named"] == ["all"]


def test_sigterm_ends_a_scheduler_whose_lock_is_held(monkeypatch):
    from snakemake.scheduling.job_scheduler import JobScheduler

    monkeypatch.setattr(JobScheduler, "exit_gracefully", JobScheduler.exit_gracefully)
    end_when_asked()
    end_when_asked()
    scheduler = object.__new__(JobScheduler)
    scheduler._lock, scheduler._open_jobs = threading.Lock(), threading.Semaphore(0)
    handler = threading.Thread(target=scheduler.exit_gracefully, args=(15, None), daemon=True)
    with scheduler._lock:
        handler.start()
        handler.join(10)
        assert not handler.is_alive()
    assert scheduler._open_jobs.acquire(timeout=10)
    assert scheduler._user_kill == "graceful"


def test_a_rule_of_a_loop_is_explained(seen):
    assert seen["explained"] == "It begins."


def test_what_options_configure(seen):
    assert seen["options"] == {}


def test_study_files_stand_in_the_order_in_which_they_count(seen):
    assert seen["files"] == ["named.json", "config.json"]
    assert seen["config"] == {"a": 1, "b": 2}


def test_a_workflow_that_is_no_module_has_no_prefix(seen):
    assert seen["prefixed"] == "a"


def test_planned_jobs(seen):
    assert seen["jobs"] == [["begin", True, ["made/b.tmp"]], ["make", True, []]]
    assert seen["to make"] == ["made/b.tmp", "made/b.txt"]
    assert seen["interrupted"] == []


def test_a_run_that_only_touches(seen):
    from snakemake.api import Workflow
    from snakemake.executors import touch

    assert not seen["only touches"]
    workflow = object.__new__(Workflow)
    workflow._executor_plugin = SimpleNamespace(executor=touch.Executor)
    assert only_touches(workflow)


def test_parameters_are_fixed_for_one_study(seen):
    assert seen["of another study"] == []
    assert seen["fixed"] == ["b"]


def test_cluster_jobs_are_given_another_configuration(seen):
    assert seen["given"] == ["given.json"]


def test_a_file_is_read_once_for_its_checksum(seen):
    first, other = (hashlib.sha256(text).hexdigest() for text in (b"first", b"other"))
    assert seen["checksums"] == [
        [f"sha256:{first}", 1],
        [f"sha256:{first}", 1],
        [f"sha256:{other}", 2],
        [None, 2],
    ]


def test_records_of_a_plan_lie_where_they_are_told(seen):
    assert "records" in seen["folders"]


def test_a_record_is_written_and_deleted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = Records()
    assert records.lacks("out.txt")
    records.write("out.txt", rule="a", input=[], params=[])
    assert not records.lacks("out.txt")
    (path,) = (path for path in records.metadata.rglob("*") if path.is_file())
    record = json.loads(path.read_text())
    assert record["rule"] == "a"
    Records.check(record)
    with pytest.raises(ValueError, match="rule"):
        Records.check({**record, "rule": ["no text"]})
    records.delete("out.txt")
    assert records.lacks("out.txt")
    assert records.incomplete.parent == records.metadata.parent


def test_targets_on_the_command_line():
    arguments = ["-n", "figures", "results/a.tsv", "--configfile", "own.yaml", "--cores", "1"]
    assert targets_of(arguments) == ["figures", "results/a.tsv"]


def test_an_interpreter_is_quoted_once(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/a folder/python")
    quote_interpreter()
    quote_interpreter()
    assert shlex.split(sys.executable) == ["/a folder/python"]


def test_slurm_and_its_prefix():
    class Plugin:
        name = "slurm"

    class Settings:
        jobname_prefix = "own"

    class Executor:
        run_uuid = "own_1f0c"

    class Scheduler:
        _executor = Executor()

    class Workflow:
        executor_plugin = Plugin()
        executor_settings = Settings()
        scheduler = Scheduler()

    assert snakemake_inside.slurm_prefix(Workflow()) == (True, "own")
    assert snakemake_inside.slurm_run(Workflow()) == "own_1f0c"
    Plugin.name = "local"
    assert snakemake_inside.slurm_prefix(Workflow()) == (False, None)
    assert snakemake_inside.slurm_run(Workflow()) is None


def test_slurm_settings_have_a_prefix():
    """The executor's settings name it so."""
    slurm = pytest.importorskip("snakemake_executor_plugin_slurm")
    assert hasattr(slurm.ExecutorSettings(), "jobname_prefix")
    # And its executor the run.
    assert "self.run_uuid = " in inspect.getsource(slurm.Executor)


def test_every_touch_is_asked_for():
    text = Path(__file__).read_text()
    functions = [
        name
        for name, value in vars(snakemake_inside).items()
        if getattr(value, "__module__", "") == snakemake_inside.__name__
    ]
    assert len(functions) >= 14
    assert [name for name in functions if name not in text] == []
