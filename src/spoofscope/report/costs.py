"""What the jobs of a study have taken: hours and memory, as Snakemake measured them.

They are in no result but the report, because two runs of one study differ in them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from spoofscope.errors import TableError
from spoofscope.files import shown
from spoofscope.names import NONE
from spoofscope.pace import duration
from spoofscope.provenance.sidecars import sidecar_path
from spoofscope.summaries.printed import write_printed
from spoofscope.tables import read_table, write_table

_MEASURED = {"s": pl.Float64()}
# Snakemake writes NA of a process that has ended before it looked.
_LOOKED_AT = dict.fromkeys(("max_rss", "cpu_time"), pl.String())
_UNKNOWN = ("NA", "-")
# Rule of a training to the file whose sidecar says on what it ran.
_MADE = {
    "train": "detectors/{job}/model.safetensors",
    "train_tracer": "tracers/{job}/network/network.json",
}
# What is the same work as that of a rule without them.
_SHARD, _TRACER = "_shard", "_tracer"
_FEATURES = "extract_features"


class Taken(NamedTuple):
    """What a job has taken: seconds by the clock and of all processors, and peak bytes of memory;
    None where a job ended too soon to be looked at.
    """

    seconds: float
    cpu_seconds: float | None
    memory: float | None


def _taken(path: Path) -> Taken:
    table = read_table(path, _MEASURED, _LOOKED_AT)
    if table.height != 1:
        raise TableError(f"{shown(path)}: {table.height} measurements, expected 1")
    row = table.row(0, named=True)
    numbers = []
    for column in ("cpu_time", "max_rss"):
        try:
            numbers.append(None if row[column] in _UNKNOWN else float(row[column]))
        except ValueError:
            raise TableError(
                f"{shown(path)}: column {column!r} is {row[column]!r}, no number"
            ) from None
    cpu, mebibytes = numbers
    # Snakemake counts in 2^20 bytes.
    return Taken(row["s"], cpu, None if mebibytes is None else mebibytes * 2**20)


def training_costs(results: Path) -> pl.DataFrame:
    """The costs of every training whose measurement is there.

    Args:
        results: the study's folder below results/.

    Returns:
        run, seed; hours by the clock, and of all processors; peak memory in GB (10^9 bytes, without
        the memory of GPUs), both null where a training ended before Snakemake looked; device, "-"
        where the training is not there any more. A training that was continued after a kill counts
        from its last start.

    Raises:
        TableError: there are none, or a file is damaged.
    """
    if not results.is_dir():
        raise TableError(f"{shown(results)}: there is no such folder")
    rows = []
    for rule, made in _MADE.items():
        folder = results / "benchmarks" / rule
        for path in sorted(folder.glob("*/*.tsv")):
            job = path.relative_to(folder).with_suffix("")
            rows.append(
                {
                    "run": job.parent.name,
                    "seed": job.name.removeprefix("seed"),
                    **_sums([_taken(path)]),
                    "device": _device(results / made.format(job=job)),
                }
            )
    if not rows:
        raise TableError(
            f"{shown(results)} has no measured training; name the folder of a study, such as "
            "results/mini"
        )
    return pl.DataFrame(rows, schema_overrides=_SUMS)


_SUMS = dict.fromkeys(("hours", "cpu_hours", "memory_gb"), pl.Float64())


def _sums(jobs: Sequence[Taken]) -> dict[str, float | None]:
    cpu = [job.cpu_seconds for job in jobs if job.cpu_seconds is not None]
    memory = [job.memory for job in jobs if job.memory is not None]
    return {
        "hours": sum(job.seconds for job in jobs) / 3600,
        "cpu_hours": sum(cpu) / 3600 if cpu else None,
        "memory_gb": max(memory) / 1e9 if memory else None,
    }


def _device(made: Path) -> str:
    sidecar = sidecar_path(made)
    if not sidecar.is_file():
        return NONE
    record: dict[str, Any] = json.loads(sidecar.read_text(encoding="utf-8"))
    return str(record["device"])


def study_costs(
    results: Path, systems: Iterable[Mapping[str, Any]], features: Iterable[str]
) -> pl.DataFrame:
    """What the measured stages have taken, of all systems and features that a study has now.

    Measurements of their earlier jobs, such as those of other shards, are among these.

    Args:
        results: the study's folder below results/.
        systems: name, id and seed of every system and tracer.
        features: ids of the features that are kept, `{frontend}-{hash}`.

    Returns:
        name, run, seed ("-" of features), stage (the rule; that of shards and that of tracers
        count as the one without them), jobs, hours by the clock and cpu_hours of all processors
        (sums over jobs), memory_gb (10^9 bytes, the most of a job, without the memory of GPUs). No
        rows where nothing is measured.

    Raises:
        TableError: a file is damaged.
    """
    folder = results / "benchmarks"
    wanted = [(id_.rpartition("-")[0], id_, NONE, _FEATURES, id_) for id_ in features]
    for system in systems:
        id_, seed = system["id"], str(system["seed"])
        wanted.append((system["name"], id_, seed, "*", f"{id_}/seed{seed}"))
    rows = []
    for name, run, seed, rule, job in wanted:
        stages: dict[str, list[Taken]] = {}
        paths = [*folder.glob(f"{rule}/{job}.tsv"), *folder.glob(f"{rule}/{job}/**/*.tsv")]
        for path in sorted(paths):
            stage = path.relative_to(folder).parts[0].removesuffix(_SHARD).removesuffix(_TRACER)
            stages.setdefault(stage, []).append(_taken(path))
        rows += [
            {"name": name, "run": run, "seed": seed, "stage": stage, "jobs": len(taken)}
            | _sums(taken)
            for stage, taken in stages.items()
        ]
    texts = dict.fromkeys(("name", "run", "seed", "stage"), pl.String())
    return pl.DataFrame(rows, schema={**texts, "jobs": pl.Int64(), **_SUMS}, orient="row")


def write_costs(
    table: pl.DataFrame, outputs: Mapping[str, str], names: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write the costs for machines, spreadsheets and papers.

    Args:
        table: see :func:`study_costs`.
        outputs: `costs_tsv`, `costs_csv` and `costs_tex`.
        names: section `names` of the study file.
    """
    write_table(outputs["costs_tsv"], table)
    write_printed(
        outputs["costs_tsv"],
        outputs["costs_tex"],
        outputs["costs_csv"],
        title="Costs",
        caption=CAPTION,
        columns=("name", "seed", "stage", "jobs", "hours", "cpu_hours", "memory_gb"),
        interval_of="",
        names=names,
    )


CAPTION = (
    "What the stages have taken on the machines of this study, as Snakemake measured it: times by "
    "the clock and of all processors, summed over jobs, and the largest memory of a job in GB, "
    "without that of GPUs. Jobs that ran beside others have taken longer than alone. A job that "
    "was continued after a kill counts from its last start. Jobs of a system count although the "
    "study has no longer their trials, or cuts these into other shards. Features that another "
    "study had left were not computed again."
)

_FIRST = (_FEATURES, "train", "score")


def cost_section(table: pl.DataFrame) -> dict[str, Any] | None:
    """The costs as the report shows them; None where nothing is measured.

    Args:
        table: see :func:`study_costs`.

    Returns:
        stages (in words), unit (of times), rows (of each name, seed, and a cell per stage: time and
        memory, or None), total (the time of all, in words) and caption.
    """
    if table.is_empty():
        return None
    names = table["stage"].unique(maintain_order=True).to_list()
    stages = [stage for stage in _FIRST if stage in names]
    stages += [stage for stage in names if stage not in _FIRST]
    # In one unit, so that the columns of the page can be sorted.
    unit, per_hour = ("h", 1) if table["hours"].max() >= 1 else ("min", 60)  # type: ignore[operator]
    rows = []
    for (name, _, seed), of_system in table.group_by("name", "run", "seed", maintain_order=True):
        of_stage = {row["stage"]: row for row in of_system.iter_rows(named=True)}
        cells = [
            {"time": of_stage[stage]["hours"] * per_hour, "memory": of_stage[stage]["memory_gb"]}
            if stage in of_stage
            else None
            for stage in stages
        ]
        rows.append({"name": name, "seed": seed, "cells": cells})
    return {
        "stages": [stage.replace("_", " ") for stage in stages],
        "unit": unit,
        "rows": rows,
        "caption": CAPTION,
        "total": duration(3600 * float(table["hours"].sum())),
    }
