"""Error rates against the number of transformer layers that are kept, and against costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.errors import TableError
from spoofscope.names import POOLED

MEAN_OF = "mean of "
"""Begin of the name of a mean over several sets."""

DEPTH_COLUMNS: dict[str, pl.DataType] = {
    "curve": pl.String(),
    "detector": pl.String(),
    "run": pl.String(),
    "n_layers": pl.Int64(),
    "corpus": pl.String(),
    "split": pl.String(),
    "seed": pl.Int64(),
    "eer": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "mean": pl.Float64(),
    "sd": pl.Float64(),
    "n_seeds": pl.Int64(),
    "above_deepest": pl.Float64(),
}


def depth_table(
    curves: Mapping[str, Sequence[Mapping[str, Any]]], metrics: pl.DataFrame
) -> pl.DataFrame:
    """EER of every detector of every depth curve, per test set and seed.

    `eer` with its 95 % bootstrap interval is of one training: the interval is the uncertainty from
    the trials. `mean` and `sd` (sample, n - 1; null for one seed) are over seeds: the spread of
    trainings. `above_deepest` is the mean less the mean of the deepest detector of its curve on
    that set: the cost of cutting layers, negative if cutting helps.

    If a detector is tested on several sets, the corpus "mean of (a, b)" holds the plain mean over
    these sets, per seed; its interval adds the intervals of the sets, which share no trials
    (`limits.sum_limits`). Only detectors tested on the same sets share this mean.
    Sets of one class have no EER, and no rows.

    Args:
        curves: name to points, each a detector's `detector` (name), `run` and `n_layers`.
        metrics: metrics tables of the detectors on their test sets, as `figures.inputs` reads them.

    Raises:
        TableError: a detector of a curve has no EER.
    """
    pooled = metrics.filter(
        (pl.col("condition") == POOLED)
        & (pl.col("metric") == "eer")
        & pl.col("value").is_not_null()
    ).select("system", "seed", "corpus", "split", eer="value", ci_low="ci_low", ci_high="ci_high")
    pooled = pl.concat([pooled, _means_of_sets(pooled)])
    frames = []
    for curve, points in curves.items():
        for point in points:
            eers = pooled.filter(pl.col("system") == point["run"])
            if eers.is_empty():
                raise TableError(f"curve {curve}: there is no EER of {point['run']}")
            frames.append(
                eers.select(
                    pl.lit(curve).alias("curve"),
                    pl.lit(point["detector"]).alias("detector"),
                    pl.lit(point["run"]).alias("run"),
                    pl.lit(point["n_layers"], pl.Int64).alias("n_layers"),
                    *("corpus", "split", "seed", "eer", "ci_low", "ci_high"),
                )
            )
    table = pl.concat(frames)
    of_run = ["curve", "run", "corpus", "split"]
    table = table.with_columns(
        mean=pl.col("eer").mean().over(of_run),
        sd=pl.col("eer").std().over(of_run),
        n_seeds=pl.col("eer").count().cast(pl.Int64).over(of_run),
    )
    deepest = pl.col("mean").filter(pl.col("n_layers") == pl.col("n_layers").max()).first()
    table = table.with_columns(
        above_deepest=pl.col("mean") - deepest.over(["curve", "corpus", "split"])
    )
    return table.sort(
        pl.col("curve"), "corpus", "split", "n_layers", "run", "seed", maintain_order=True
    ).select(pl.col(name).cast(dtype) for name, dtype in DEPTH_COLUMNS.items())


def _means_of_sets(pooled: pl.DataFrame) -> pl.DataFrame:
    """The mean over sets of every system that has several, per seed, named by the sets."""
    names = pl.col("corpus").unique().sort().str.join(", ")
    of_seed = pooled.group_by("system", "seed", "split", maintain_order=True).agg(
        pl.col("eer").mean(),
        _end("low"),
        _end("high"),
        corpus=pl.format("{}({})", pl.lit(MEAN_OF), names),
        sets=pl.len(),
    )
    return of_seed.filter(pl.col("sets") > 1).select(
        "system",
        "seed",
        "corpus",
        "split",
        "eer",
        "ci_low",
        "ci_high",
    )


def _end(end: str) -> pl.Expr:
    """An end of the interval of a mean, as `limits.sum_limits`; null where a set has none."""
    far = pl.col(f"ci_{end}") - pl.col("eer")
    distance = (far**2).sum().sqrt() / pl.len() * (1 if end == "high" else -1)
    complete = pl.col(f"ci_{end}").null_count() == 0
    return pl.when(complete).then(pl.col("eer").mean() + distance).alias(f"ci_{end}")


def non_dominated(
    costs: npt.NDArray[np.float64], errors: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """The Pareto front: no other point is better in one value and at least as good in the other.

    Args:
        costs: (n,), lower is better.
        errors: (n,), lower is better.
    """
    no_worse = (costs[:, None] <= costs) & (errors[:, None] <= errors)
    better = (costs[:, None] < costs) | (errors[:, None] < errors)
    return np.asarray(~(no_worse & better).any(axis=0))


def pareto_table(
    costs: pl.DataFrame, metrics: pl.DataFrame, measures: Sequence[str]
) -> pl.DataFrame:
    """Mean EER over seeds, its interval of the first, and costs of every detector, per test set.

    Args:
        costs: one row per detector, with the column `run` and the columns `measures`.
        metrics: as for :func:`depth_table`.
        measures: names of costs. For each, the column `{measure}_front` says which detectors are on
            the Pareto front of that cost and EER, among those tested on that set.

    Raises:
        TableError: there is no EER of any of the detectors.
    """
    eers = (
        metrics.filter((pl.col("condition") == POOLED) & (pl.col("metric") == "eer"))
        .group_by("system", "corpus", "split", maintain_order=True)
        .agg(
            eer=pl.col("value").mean(),
            eer_sd=pl.col("value").std(),
            eer_low=pl.col("ci_low").first(),
            eer_high=pl.col("ci_high").first(),
            n_seeds=pl.col("value").count().cast(pl.Int64),
        )
        .rename({"system": "run"})
    )
    joined = eers.join(costs, on="run", how="inner", maintain_order="left_right").filter(
        pl.col("eer").is_not_null()
    )
    if joined.is_empty():
        raise TableError("none of the detectors whose costs were measured has an EER")
    parts = []
    for _, part in joined.group_by("corpus", "split", maintain_order=True):
        fronts = {
            f"{measure}_front": non_dominated(
                part[measure].cast(pl.Float64).to_numpy(), part["eer"].to_numpy()
            )
            for measure in measures
        }
        parts.append(part.with_columns(pl.Series(name, flags) for name, flags in fronts.items()))
    return pl.concat(parts)
