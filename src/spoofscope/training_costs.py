"""What the trainings of a study have taken: hours and memory, as Snakemake measured them.

They are in no result, because two runs of one study differ in them.
"""

import json
from pathlib import Path
from typing import Any

import polars as pl

from spoofscope.errors import TableError
from spoofscope.files import shown
from spoofscope.names import NONE
from spoofscope.provenance.sidecars import sidecar_path
from spoofscope.tables import read_table

_MEASURED = dict.fromkeys(("s", "max_rss", "cpu_time"), pl.Float64())
# Rule of a training to the file whose sidecar says on what it ran.
_MADE = {
    "train": "detectors/{job}/model.safetensors",
    "train_tracer": "tracers/{job}/network/network.json",
}


def training_costs(results: Path) -> pl.DataFrame:
    """The costs of every training whose measurement is there.

    Args:
        results: the study's folder below results/.

    Returns:
        run, seed; hours by the clock, and of all processors; peak memory in GB (10^9 bytes, without
        the memory of GPUs); device, "-" where the training is not there any more. A training that
        was continued after a kill counts from its last start.

    Raises:
        TableError: there are none, or a file is damaged.
    """
    rows = []
    for rule, made in _MADE.items():
        folder = results / "benchmarks" / rule
        for path in sorted(folder.glob("*/*.tsv")):
            table = read_table(path, _MEASURED)
            if table.height != 1:
                raise TableError(f"{shown(path)}: {table.height} measurements, expected 1")
            measured = table.row(0, named=True)
            job = path.relative_to(folder).with_suffix("")
            rows.append(
                {
                    "run": job.parent.name,
                    "seed": job.name.removeprefix("seed"),
                    "hours": measured["s"] / 3600,
                    "cpu_hours": measured["cpu_time"] / 3600,
                    # Snakemake counts in 2^20 bytes.
                    "memory_gb": measured["max_rss"] * 2**20 / 1e9,
                    "device": _device(results / made.format(job=job)),
                }
            )
    if not rows:
        raise TableError(
            f"{shown(results)} has no measured training; name the folder of a study, such as "
            "results/mini"
        )
    return pl.DataFrame(rows)


def _device(made: Path) -> str:
    sidecar = sidecar_path(made)
    if not sidecar.is_file():
        return NONE
    record: dict[str, Any] = json.loads(sidecar.read_text(encoding="utf-8"))
    return str(record["device"])
