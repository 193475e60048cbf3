"""Results over the points of a grid: a table per point, and one of all that marks the best.

The data of the model selection choose the best point; test trials have no part in the choice.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from spoofscope.exhibits import Table
from spoofscope.names import POOLED, SELECTION
from spoofscope.settings import read_settings
from spoofscope.summaries.inputs import read_metrics
from spoofscope.tables import read_table, write_table

TABLE = Table(
    title="All points of a grid",
    shows="All points of a grid, sorted by the error on the data of the model selection.",
    caption=(
        "A row per point and scored set: mean over training seeds, standard deviation (columns "
        "_sd, sample), and the lowest and highest equal error rate of a seed. Points are sorted "
        "by dev_eer, the equal error rate on the data of their model selection (column dev); best "
        "marks the lowest dev_eer among points of the same development data. Evaluation trials "
        "have no part in the choice."
    ),
    needs="grid_points",
    place=60,
)

METRICS = ("eer", "min_dcf", "accuracy", "hter", "cllr", "auc")
"""Metrics that the table of a grid has for every point and scored set."""

DEV_EER = "dev_eer"
POINT_SCHEMA: dict[str, pl.DataType] = {
    "corpus": pl.String(),
    "split": pl.String(),
    "metric": pl.String(),
    "mean": pl.Float64(),
    "sd": pl.Float64(),
    "min": pl.Float64(),
    "max": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "n_seeds": pl.Int64(),
    "n_bonafide": pl.Int64(),
    "n_spoof": pl.Int64(),
}
_OPTIONAL = ("mean", "sd", "min", "max", "ci_low", "ci_high")


def axis_column(axis: str) -> str:
    """The column of a grid's tables that holds the labels of an axis.

    The prefix is needed because an axis may have the name of another column, such as "corpus".
    """
    return f"axis_{axis}"


def make(
    axes: Sequence[str],
    points: Sequence[Mapping[str, Any]],
    tables: Sequence[str],
    outputs: Mapping[str, str],
) -> None:
    """Write the table of a grid, see :func:`grid_table`."""
    write_table(outputs["table"], grid_table(axes, points, tables))


def point_table(metrics: Sequence[str], detectors: Sequence[str]) -> pl.DataFrame:
    """Pooled metrics of one point of a grid over its training seeds.

    Args:
        metrics: metrics tables of all seeds and scored sets.
        detectors: the `detector.json` of every seed; none for a fusion.

    Returns:
        corpus, split, metric, mean, sd (sample, n - 1; null for one seed), min, max, ci_low and
        ci_high (95 % interval of the first seed), n_seeds, n_bonafide, n_spoof: first the EER on
        the data that the models were selected on, where detectors tell it (metric "dev_eer",
        corpus "(model selection)", no interval), then all metrics of every scored set. Seeds whose
        value is undefined are not counted.

    Raises:
        DetectorError: a `detector.json` is damaged or altered.
    """
    selected = [
        trained for path in detectors if DEV_EER in (trained := read_settings(path)["meta"])
    ]
    of_selection = pl.DataFrame(
        [
            {
                "corpus": SELECTION,
                "split": "dev",
                "metric": DEV_EER,
                "value": meta[DEV_EER],
                "ci_low": None,
                "ci_high": None,
                "n_bonafide": sum(source["n_bonafide"] for source in meta["dev"]),
                "n_spoof": sum(source["n_spoof"] for source in meta["dev"]),
            }
            for meta in selected
        ],
        schema={
            **{name: POINT_SCHEMA[name] for name in ("corpus", "split", "metric")},
            "value": pl.Float64(),
            **{name: POINT_SCHEMA[name] for name in ("ci_low", "ci_high", "n_bonafide", "n_spoof")},
        },
    )
    scored = (
        read_metrics(metrics).filter(pl.col("condition") == POOLED).select(of_selection.columns)
    )
    return (
        pl.concat([of_selection, scored])
        .group_by("corpus", "split", "metric", maintain_order=True)
        .agg(
            pl.col("value").mean().alias("mean"),
            pl.col("value").std().alias("sd"),
            pl.col("value").min().alias("min"),
            pl.col("value").max().alias("max"),
            pl.col("value").count().cast(pl.Int64).alias("n_seeds"),
            pl.col("ci_low", "ci_high", "n_bonafide", "n_spoof").first(),
        )
        .select(list(POINT_SCHEMA))
    )


def grid_table(
    axes: Sequence[str], points: Sequence[Mapping[str, Any]], tables: Sequence[str | Path]
) -> pl.DataFrame:
    """All points of a grid, those with the lowest error on their development data first.

    Args:
        axes: in the order of the study file.
        points: of every point its `entry`, its `labels` by axis, and in words the development data
            `dev` that its models were selected on.
        tables: the :func:`point_table` of every point, in the same order.

    Returns:
        A row per point and scored set: best ("yes" for the lowest mean dev_eer among the points of
        the same development data, several where these are equal; else "-"), name, `axis_{axis}`
        for every axis, dev, dev_eer with dev_eer_sd, dev_eer_min and dev_eer_max, corpus, split,
        n_seeds, n_bonafide, n_spoof, eer with the same three, and the other `METRICS` with their
        standard deviations; of each the 95 % interval of the first seed (`_low`, `_high`). Points
        whose dev_eer is not known keep the order of the grid and stand at the end.
    """
    required = {name: t for name, t in POINT_SCHEMA.items() if name not in _OPTIONAL}
    optional = {name: POINT_SCHEMA[name] for name in _OPTIONAL}
    rows: list[dict[str, Any]] = []
    for order, (point, path) in enumerate(zip(points, tables, strict=True)):
        table = read_table(path, required, optional)
        cells = {
            (row["corpus"], row["split"], row["metric"]): row for row in table.iter_rows(named=True)
        }
        selection = cells.get((SELECTION, "dev", DEV_EER), {})
        sets = table.filter(pl.col("corpus") != SELECTION).select("corpus", "split")
        for corpus, split in sets.unique(maintain_order=True).rows():
            eer = cells[corpus, split, "eer"]
            row: dict[str, Any] = {
                "order": order,
                "name": point["entry"],
                **{axis_column(axis): point["labels"][axis] for axis in axes},
                "dev": point["dev"],
                DEV_EER: selection.get("mean"),
                **{f"{DEV_EER}_{name}": selection.get(name) for name in ("sd", "min", "max")},
                "corpus": corpus,
                "split": split,
                **{name: eer[name] for name in ("n_seeds", "n_bonafide", "n_spoof")},
            }
            for metric in METRICS:
                cell = cells.get((corpus, split, metric), {})
                row[metric], row[f"{metric}_sd"] = cell.get("mean"), cell.get("sd")
                row |= {f"{metric}_{end}": cell.get(f"ci_{end}") for end in ("low", "high")}
                if metric == "eer":
                    row |= {"eer_min": cell.get("min"), "eer_max": cell.get("max")}
            rows.append(row)
    table = pl.DataFrame(rows, infer_schema_length=None).cast(
        {name: pl.Float64() for name in rows[0] if name.startswith((DEV_EER, *METRICS))}
    )
    lowest = pl.col(DEV_EER).min().over("dev")
    several = pl.col("order").n_unique().over("dev") > 1
    is_best = (several & (pl.col(DEV_EER) == lowest)).fill_null(False)
    return (
        table.with_columns(
            pl.when(is_best).then(pl.lit("yes")).otherwise(pl.lit("-")).alias("best")
        )
        .sort(DEV_EER, "order", maintain_order=True, nulls_last=True)
        .select("best", pl.exclude("best", "order"))
    )
