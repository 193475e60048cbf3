"""What large studies cost: parsing, dry run, audit, memory; and gathering ten million scores.

Run with the environment of `make setup`, on an otherwise idle machine:

    .venv/bin/python benchmarks/scale.py

Studies of about 2,000 and 10,000 jobs are planned in temporary copies of the committed checkout:
many detectors and seeds, scored in shards on corpora in folders. Nothing is trained. For the study
of 2,000 finished jobs every output is a small made-up file; the sidecar beside it comes from the
wrapper that all scripts use, and Snakemake's record from Snakemake itself.

Each time is printed beside a baseline of the same run: a bare workflow with a job for every job of
the study, of the same shape, without parameters, logs and scripts.
"""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--profile", "profiles/local"]
BARE = [sys.executable, "-m", "snakemake", "--snakefile", "bare.smk", "--cores", "1"]
CORPORA, SHARDS, SHOWN = 4, 4, 8
GATHERED = 10_000_000

BARE_WORKFLOW = """
RUNS = {runs}
SETS = {sets}
SHARDS = {shards}

rule all:
    input: expand("bare/metrics/{{run}}/{{data}}", run=RUNS, data=SETS)

rule train:
    output: "bare/weights/{{run}}"
    shell: "touch {{output}}"

rule score:
    input: "bare/weights/{{run}}"
    output: "bare/shards/{{run}}/{{data}}-{{shard}}"
    shell: "touch {{output}}"

rule gather:
    input: expand("bare/shards/{{{{run}}}}/{{{{data}}}}-{{shard}}", shard=SHARDS)
    output: "bare/scores/{{run}}/{{data}}"
    shell: "touch {{output}}"

rule metrics:
    input: "bare/scores/{{run}}/{{data}}"
    output: "bare/metrics/{{run}}/{{data}}"
    shell: "touch {{output}}"
"""


class Cost(NamedTuple):
    """Wall time in seconds and largest memory in MB of a command, and what it printed."""

    seconds: float
    megabytes: float
    text: str


def study(detectors: int, seeds: int) -> dict[str, Any]:
    """A study file with `detectors` x `seeds` x `CORPORA` x 2 score files of `SHARDS` shards."""
    corpora = [f"corpus{i}" for i in range(CORPORA)]
    return {
        "study": "scale",
        "title": "A generated study",
        "seed": 1,
        "data_root": "resources",
        "scatter_shards": {"train": SHARDS, "dev": SHARDS, "eval": SHARDS},
        "corpora": {name: {"type": "folder", "path": f"data/{name}"} for name in corpora},
        "frontends": {"lfcc": {"type": "lfcc"}, "packets": {"type": "wavelet_packets"}},
        "detectors": {
            f"detector{i}": {
                "frontend": ("lfcc", "packets")[i % 2],
                "backend": {"type": "linear"},
                "input": {"length": 16000},
                "seeds": list(range(1, seeds + 1)),
                "train": {
                    "data": [{"corpus": corpora[i % CORPORA]}],
                    "recipe": {"epochs": 1, "lr": 1.0e-3 * (i + 1)},
                },
            }
            for i in range(detectors)
        },
        "score": [{"corpus": name, "splits": ["dev", "eval"]} for name in corpora],
        "conditions": ["attack"],
        "bootstrap": {"resamples": 100},
        # Figures of more systems than can be read are not drawn; of these they are.
        "figures": {"systems": [f"detector{i}" for i in range(min(SHOWN, detectors))]},
    }


def bare_workflow(detectors: int, seeds: int) -> str:
    """A Snakefile of as many trainings, score shards, score files and metrics, and nothing else."""
    return BARE_WORKFLOW.format(
        runs=[f"run{i}" for i in range(detectors * seeds)],
        sets=[f"data{i}" for i in range(2 * CORPORA)],
        shards=list(range(SHARDS)),
    )


def finish_bare(folder: Path) -> None:
    """Make every file of the bare workflow that a dry run lists, and let Snakemake record it."""
    for text in cost([*BARE, "-n"], folder).text.splitlines():
        name, _, output = text.strip().partition(": ")
        if name == "output":
            path = folder / output
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    cost([*BARE, "--touch"], folder)


def cost(command: list[str], folder: Path) -> Cost:
    """Run a command that must succeed."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    text = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{text[-4000:]}")
    return Cost(seconds, usage.ru_maxrss / 1024, text)


def jobs_of(dry_run: str) -> int:
    """The number of jobs that a dry run counts."""
    lines = dry_run.splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("total "))


def finish(folder: Path) -> None:
    """Make every output of the study in `folder`, in the order of the workflow.

    To be run in a process of its own: Snakemake changes the folder and the import path.
    """
    os.chdir(folder)
    sys.path.insert(0, str(folder / "src"))
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        DeploymentSettings,
        ExecutionSettings,
        OutputSettings,
        Quietness,
        RemoteExecutionSettings,
        ResourceSettings,
        StorageSettings,
        WorkflowSettings,
    )

    from spoofscope.job import job as wrapper

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        parsed = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[Path("study.yaml")]),
            storage_settings=StorageSettings(),
            workflow_settings=WorkflowSettings(),
            deployment_settings=DeploymentSettings(),
            snakefile=Path("Snakefile"),
        )
        parsed.dag(DAGSettings(targets={"all"}, max_checksum_file_size=10**11))
        workflow = parsed._workflow
        workflow.execution_settings = ExecutionSettings()
        workflow.remote_execution_settings = RemoteExecutionSettings()
        workflow._prepare_dag(forceall=False, ignore_incomplete=False, lock_warn_only=False)
        workflow._build_dag()
        workflow.iocache.deactivate()
        workflow.persistence.deactivate_cache()
        made = [job for level in workflow.dag.toposorted() for job in level if job.output]
        for job in made:
            script = SimpleNamespace(
                rule=job.rule.name,
                wildcards=job.wildcards,
                params=job.params,
                input=job.input,
                output=job.output,
                log=job.log,
                threads=job.threads,
            )
            for path in job.output:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            with wrapper(script):
                for path in job.output:
                    Path(path).write_text(f"{path}\n")
            asyncio.run(workflow.persistence.finished(job))
        for job in made:
            for path in workflow.dag.temp_input(job):
                Path(path).unlink(missing_ok=True)


def in_other_process(function: Any, *arguments: Any) -> None:
    """Call a function in a fresh process, which must succeed."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"{function.__name__} failed")


def write_shards(folder: Path) -> list[str]:
    """A manifest of `GATHERED` utterances and ten score files."""
    shards = [folder / f"scores-{i}.tsv" for i in range(10)]
    size = GATHERED // len(shards)
    with open(folder / "manifest.tsv", "w") as manifest:
        manifest.write("utt_id\tpath\tsplit\n")
        for i, path in enumerate(shards):
            with open(path, "w") as scores:
                scores.write("utt_id\tscore\n")
                for number in range(i * size, (i + 1) * size):
                    manifest.write(f"E_{number:010d}\tflac/E_{number:010d}.flac\teval\n")
                    scores.write(f"E_{number:010d}\t{number / 7!r}\n")
    return [str(path) for path in shards]


GATHER = """
import sys
from spoofscope.gathering import gather_scores
*shards, manifest, out = sys.argv[1:]
gather_scores(shards, manifest, "eval", out)
"""
READ = """
import sys
import spoofscope.tables
for path in sys.argv[1:]:
    for line in open(path):
        pass
"""


def line(what: str, measured: Cost, limit_s: float | None, baseline: Cost) -> None:
    """Print one result."""
    limit = f"at most {limit_s:g} s" if limit_s else ""
    ratio = measured.seconds / baseline.seconds
    print(
        f"{what:34} {measured.seconds:7.2f} s  {limit:12}  {ratio:6.2f} x bare workflow "
        f"({baseline.seconds:.2f} s)   {measured.megabytes:5.0f} MB ({baseline.megabytes:.0f} MB)",
        flush=True,
    )


def measure_study(folder: Path, detectors: int, seeds: int, limit_s: float) -> None:
    """Plan one generated study from nothing, and one file of it."""
    (folder / "study.yaml").write_text(yaml.safe_dump(study(detectors, seeds), sort_keys=False))
    (folder / "bare.smk").write_text(bare_workflow(detectors, seeds))
    configured = ["--configfile", "study.yaml"]
    bare = cost([*BARE, "-n"], folder)
    dry = cost([*SNAKEMAKE, "-n", *configured], folder)
    print(f"\n{jobs_of(dry.text):,} jobs (bare workflow: {jobs_of(bare.text):,})")
    line("dry run from nothing", dry, limit_s, bare)
    rules, bare_rules = [*configured, "--list-rules"], "--list-rules"
    line("parsing", cost([*SNAKEMAKE, *rules], folder), None, cost([*BARE, bare_rules], folder))
    words = dry.text.split()
    target = next(word for word in words if word.endswith("/seed1/corpus0.eval.tsv"))
    one = cost([*SNAKEMAKE, "-n", target, *configured], folder)
    line("dry run of one file", one, None, cost([*BARE, "-n", "bare/metrics/run0/data0"], folder))


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "spoofscope"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
        measure_study(folder, 40, 5, 60)
        measure_study(folder, 40, 1, 15)

        in_other_process(finish, folder)
        finish_bare(folder)
        bare = cost([*BARE, "-n"], folder)
        done = cost([*SNAKEMAKE, "-n", "--configfile", "study.yaml"], folder)
        if "Nothing to be done" not in done.text:
            sys.exit(f"the finished study is not finished:\n{done.text[-4000:]}")
        print("\nthe same jobs, all finished")
        line("dry run", done, 15, bare)
        audit = [sys.executable, "-m", "spoofscope.cli", "audit", "--configfile", "study.yaml"]
        line("audit", cost(audit, folder), 60, bare)

        shards = write_shards(folder)
        joined = str(folder / "joined.tsv")
        gathered = cost(
            [sys.executable, "-c", GATHER, *shards, str(folder / "manifest.tsv"), joined], folder
        )
        read = cost([sys.executable, "-c", READ, *shards, str(folder / "manifest.tsv")], folder)
        print(
            f"\ngather {GATHERED:,} scores: {gathered.seconds:.1f} s, {gathered.megabytes:.0f} MB; "
            f"{gathered.seconds / read.seconds:.1f} x reading the lines in Python "
            f"({read.seconds:.1f} s, {read.megabytes:.0f} MB)"
        )


if __name__ == "__main__":
    main()
