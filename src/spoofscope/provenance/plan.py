"""Snakemake's plan of a study: all jobs with their parameters, and the jobs that it would run.

The module runs no job and writes nothing below the checkout. Snakemake runs in a process of its own
(`python -m spoofscope.provenance.plan CONFIGFILE ...`, with the checkout's library), because it
changes logging, signals and the module path.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from spoofscope.errors import ProvenanceError, SpoofscopeError
from spoofscope.identity import planned_digests
from spoofscope.provenance.record import LAUNCH
from spoofscope.snakemake_inside import (
    interrupted_outputs,
    planned,
    planned_jobs,
    temporary_outputs,
)
from spoofscope.study.reading import read_config

PROFILE = Path("profiles/local/profile.yaml")
"""Both profiles have the same rerun triggers."""


@dataclass(frozen=True)
class Job:
    """A job of the study, finished or not.

    Attributes:
        parameters: the parameters of its script.
        reason: why Snakemake would run it, in Snakemake's words; empty when it would not.
        interrupted: whether Snakemake knows that the job was begun and not finished.
    """

    rule: str
    wildcards: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    temporary: frozenset[str]
    log: str | None
    benchmark: str | None
    parameters: Mapping[str, Any]
    reason: str
    interrupted: bool


@dataclass(frozen=True)
class Plan:
    """All jobs of a study, in the order of their dependencies.

    Attributes:
        root: the folder of the study's results.
        data_root: the folder of downloads, generated corpora and backbones.
        sources: code digest to the digests of the source files behind it.
        changes: how recordings differ from those that were read, by the parameter of their job.
        absent: missing folders of recordings, by their content.
    """

    study: str
    root: str
    data_root: str
    jobs: tuple[Job, ...]
    sources: Mapping[str, Mapping[str, str]]
    changes: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)


def ask(checkout: Path, configfiles: Sequence[str]) -> Plan:
    """The plan of a study in a checkout.

    Args:
        checkout: the folder with the Snakefile.
        configfiles: study files as given to Snakemake, relative to the checkout; none for the mini
            study.

    Raises:
        ConfigError: a study file cannot be read.
        ProvenanceError: the folder is no checkout, or Snakemake refuses the study; the message is
            Snakemake's.
    """
    for name in ("Snakefile", "src/spoofscope", PROFILE):
        if not (checkout / name).exists():
            raise ProvenanceError(
                f"{checkout} is no checkout of spoofscope: {name} is missing; run this where the "
                "Snakefile is"
            )
    for name in configfiles:
        if not (checkout / name).is_file():
            raise ProvenanceError(f"there is no study file {name}")
        read_config(checkout / name)
    library = str(checkout / "src")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [library, os.environ.get("PYTHONPATH", "")])),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    environment.pop(LAUNCH, None)
    done = subprocess.run(
        [sys.executable, "-m", "spoofscope.provenance.plan", *configfiles],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise ProvenanceError(f"Snakemake gave no answer: {done.stderr.strip()[-2000:]}") from None
    if "error" in answer:
        raise ProvenanceError(answer["error"])
    jobs = tuple(
        Job(
            **{
                **job,
                "inputs": tuple(job["inputs"]),
                "outputs": tuple(job["outputs"]),
                "temporary": frozenset(job["temporary"]),
            }
        )
        for job in answer["jobs"]
    )
    return Plan(
        answer["study"],
        answer["root"],
        answer["data_root"],
        jobs,
        answer["sources"],
        answer["changes"],
        answer["absent"],
    )


def _mirror(source: Path, target: Path) -> None:
    """Folders of their own with links to the files of another place."""
    for parent, _, files in os.walk(source):
        folder = target / os.path.relpath(parent, source)
        folder.mkdir(parents=True, exist_ok=True)
        for name in files:
            (folder / name).symlink_to(os.path.join(os.path.abspath(parent), name))


def _answer(configfiles: Sequence[str], records: Path) -> dict[str, Any]:
    """Snakemake's answer; its records about files go to the folder `records`."""
    for name in ("metadata", "incomplete"):
        _mirror(Path(".snakemake") / name, records / name)
    profile = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))
    with planned(configfiles, profile, records) as workflow:
        return _describe(workflow)


def _describe(workflow: Any) -> dict[str, Any]:
    interrupted = interrupted_outputs(workflow)
    jobs = []
    for job, reason in planned_jobs(workflow):
        outputs = [str(file) for file in job.output]
        jobs.append(
            {
                "rule": job.rule.name,
                "wildcards": dict(job.wildcards.items()),
                "inputs": sorted({str(file) for file in job.input}),
                "outputs": outputs,
                "temporary": temporary_outputs(job),
                "log": str(job.log[0]) if job.log else None,
                "benchmark": str(job.benchmark) if job.benchmark else None,
                "parameters": job.params.cfg,
                "reason": reason,
                "interrupted": not interrupted.isdisjoint(outputs),
            }
        )
    checkout = Path(workflow.basedir)
    plan = workflow.globals["PLAN"]
    study, outside = plan.study, plan.outside
    outside.keep_nothing()
    return {
        "changes": outside.changes,
        "absent": outside.absent,
        "study": study.name,
        "root": study.root,
        "data_root": study.data_root,
        "jobs": jobs,
        "sources": {
            code: {os.path.relpath(path, checkout): planned_digests(path)[1][:12] for path in paths}
            for code, paths in plan.code.sources.items()
        },
    }


def main() -> None:
    """Print the plan as JSON, or `{"error": message}`."""
    # Whatever the workflow prints while it is read must not get into the answer.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory(prefix="spoofscope-") as folder, answer:
        try:
            json.dump(_answer(sys.argv[1:], Path(folder)), answer)
        except SpoofscopeError as error:
            json.dump({"error": str(error)}, answer)
        except SystemExit as ended:
            # workflow/common/study.smk refuses so.
            json.dump({"error": str(ended.__cause__)}, answer)
        except Exception as error:
            message = str(error) or repr(error)
            json.dump({"error": f"Snakemake refuses the study: {message}"}, answer)


if __name__ == "__main__":
    main()
