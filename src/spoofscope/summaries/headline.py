"""The headline table: one row per detector and scored set."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import polars as pl

from spoofscope.exhibits import Table
from spoofscope.metrics.tables import (
    CALIBRATED_TANDEM_METRIC,
    TANDEM_METRICS,
    over_seeds,
)
from spoofscope.names import POOLED
from spoofscope.options.scores import Headline
from spoofscope.summaries.inputs import read_metrics
from spoofscope.tables import write_table

TABLE = Table(
    title="The main metrics",
    shows=(
        "The main metrics of every system on every scored set, with intervals and spread over "
        "seeds."
    ),
    caption=(
        "One row per system and scored set: mean over seeds, standard deviation (columns _sd), "
        "and the 95 % interval of the first seed (columns _low and _high), which is never "
        "narrower than the exact binomial interval of the class that decides the number. Lower is "
        "better for all metrics except auc."
    ),
    needs="all_metrics",
    place=20,
    printed=(
        "name",
        "corpus",
        "split",
        "eer",
        "min_dcf",
        "act_dcf_calibrated",
        "cllr_calibrated",
        "min_tdcf",
        "auc",
        "n_bonafide",
        "n_spoof",
    ),
)

_TANDEM = (*TANDEM_METRICS, CALIBRATED_TANDEM_METRIC)
METRICS = tuple(metric for metric in get_args(Headline) if metric not in _TANDEM)
"""Those that need no speaker verifier, in the order of the columns."""


def make(
    systems: Sequence[Mapping[str, Any]], metrics: Sequence[str], outputs: Mapping[str, str]
) -> None:
    """Write the table, see :func:`headline`."""
    write_table(outputs["table"], headline(systems, metrics))


def headline(systems: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> pl.DataFrame:
    """Pooled metrics per system and set.

    Several seeds of a detector share a row: `{metric}` is their mean and `{metric}_sd` their sample
    standard deviation (null for one seed). `{metric}_low` and `{metric}_high` are the 95 % interval
    of the first seed: the uncertainty for one trained detector, in contrast to the spread of
    trainings.

    Evaluation sets come first: numbers on development sets are optimistic.

    Args:
        systems: id, seed, name, kind and trained_on of every system.
        metrics: metrics tables of all systems and sets.

    Returns:
        name, kind, trained_on, corpus, split, n_seeds, n_bonafide, n_spoof, then the metrics.
    """
    table = read_metrics(metrics).filter(pl.col("condition") == POOLED)
    spread = over_seeds(table)
    # There is no tandem cost if no set has a speaker verifier.
    tandem = [name for name in _TANDEM if (table["metric"] == name).any()]
    rows = []
    order = {system["id"]: system for system in reversed(systems)}
    sets = (
        table.select("corpus", "split")
        .unique()
        .sort("corpus", pl.col("split").replace_strict({"eval": 0, "dev": 1, "train": 2}))
    )
    for corpus, split in sets.rows():
        for system in dict.fromkeys(system["id"] for system in systems):
            of_system = table.filter(
                (pl.col("system") == system)
                & (pl.col("corpus") == corpus)
                & (pl.col("split") == split)
            )
            if of_system.is_empty():
                continue
            of_first = of_system.filter(pl.col("seed") == of_system["seed"][0])
            first = {row["metric"]: row for row in of_first.iter_rows(named=True)}
            described = order[system]
            row: dict[str, Any] = {
                "name": described["name"],
                "kind": described["kind"],
                "trained_on": ", ".join(described["trained_on"]),
                "corpus": corpus,
                "split": split,
                "n_seeds": of_system["seed"].n_unique(),
                "n_bonafide": first["eer"]["n_bonafide"],
                "n_spoof": first["eer"]["n_spoof"],
            }
            for metric in (*METRICS, *tandem):
                cell = spread.filter(
                    (pl.col("system") == system)
                    & (pl.col("corpus") == corpus)
                    & (pl.col("split") == split)
                    & (pl.col("metric") == metric)
                )
                row[metric] = cell["mean"][0] if cell.height else None
                row[f"{metric}_sd"] = cell["sd"][0] if cell.height else None
                for end in ("low", "high"):
                    row[f"{metric}_{end}"] = first.get(metric, {}).get(f"ci_{end}")
            rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)
