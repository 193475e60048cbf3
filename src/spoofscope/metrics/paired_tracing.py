"""Do two tracers differ, or did they only meet other attacks? Paired bootstrap over all pairs."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from spoofscope.errors import TableError
from spoofscope.identity import rng_of
from spoofscope.metrics import bootstrap, open_set
from spoofscope.metrics.bootstrap import Draws, Sample
from spoofscope.metrics.correlation import holm
from spoofscope.metrics.limits import smallest_p
from spoofscope.metrics.paired import tested
from spoofscope.metrics.tables import clusters_of
from spoofscope.selection.operating_points import Floats

METRICS = ("balanced_accuracy", "auroc")
SCHEMA: dict[str, pl.DataType] = {
    "first": pl.String(),
    "second": pl.String(),
    "metric": pl.String(),
    "value_first": pl.Float64(),
    "value_second": pl.Float64(),
    "difference": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "p": pl.Float64(),
    "p_holm": pl.Float64(),
    "n_units": pl.Int64(),
}
_SAME = ("utt_id", "attack", "known")


def compare_tracers(
    tracers: Mapping[str, pl.DataFrame], *, unit: str, resamples: int, seed: int
) -> pl.DataFrame:
    """Differences of balanced accuracy, and of AUROC, between every two tracers.

    Both are judged on the same resampled units. A resampled balanced accuracy is a weighted mean
    over clips, each weighing 1 over the number of clips of its attack.

    Args:
        tracers: name to a table with utt_id, attack, known (bool), known_id, predicted, `unit`, and
            `ood_score` of the detector that decides. All of the same clips, with the same attacks
            known.
        unit: the column whose values are drawn as a whole; a value "-" is drawn by itself.
        resamples: at least 1.
        seed: of the resamples.

    Returns:
        Columns :data:`SCHEMA`. difference is first minus second: positive where the first is
        better. low and high: 95 %. p is two-sided, and at least 2^(1 - n_units); neither is surer
        than Student's t, see `paired.tested`. p_holm is corrected over the pairs of a metric.
        n_units: attacks or texts that decide the metric, of the rarer kind. No interval and no p
        where these are fewer than two. No row for a metric that lacks a kind of clip.

    Raises:
        TableError: the tracers do not have the same clips, or do not know the same attacks.
    """
    tables = {name: table.sort("utt_id") for name, table in tracers.items()}
    first = next(iter(tables.values()))
    for name, table in tables.items():
        if not table.select(_SAME).equals(first.select(_SAME)):
            raise TableError(f"{name}: its clips or known attacks are not those of other tracers")
    known = first["known"].to_numpy()
    clusters = clusters_of(first, unit).to_numpy()
    draws = None
    if np.unique(clusters).size > 1:
        draws = Draws(~known, clusters, resamples, rng_of(seed, "bootstrap"))
    rows: list[dict[str, Any]] = []
    for metric in METRICS:
        deciding = [known] if metric == METRICS[0] else [known, ~known]
        if not all(kind.any() for kind in deciding):
            continue
        n_units = min(np.unique(clusters[kind]).size for kind in deciding)
        floor = smallest_p(int(n_units))
        measure = _balanced_accuracy if metric == METRICS[0] else _auroc
        values = {name: measure(table, known, draws) for name, table in tables.items()}
        of_metric: list[dict[str, Any]] = []
        for one, other in itertools.combinations(values, 2):
            (value_one, drawn_one), (value_other, drawn_other) = values[one], values[other]
            row: dict[str, Any] = {
                "first": one,
                "second": other,
                "metric": metric,
                "value_first": value_one,
                "value_second": value_other,
                "difference": value_one - value_other,
                "n_units": int(n_units),
            }
            if floor is not None and drawn_one is not None and drawn_other is not None:
                there = np.isfinite(drawn_one) & np.isfinite(drawn_other)
                differences = (drawn_one - drawn_other)[there]
                test = tested(differences, row["difference"], 1.0, int(n_units))
                row |= {"low": test["ci_low"], "high": test["ci_high"], "p": test["p"]}
            of_metric.append(row)
        with_p = [row for row in of_metric if "p" in row]
        if with_p:
            for row, p in zip(with_p, holm([row["p"] for row in with_p]), strict=True):
                row["p_holm"] = float(p)
        rows += of_metric
    return pl.DataFrame(rows, schema=SCHEMA)


def _balanced_accuracy(
    table: pl.DataFrame, known: np.ndarray[Any, Any], draws: Draws | None
) -> tuple[float, Floats | None]:
    """The value, and that of every resample."""
    of_known = table.filter(known)
    weights = of_known.select(1 / pl.len().over("known_id")).to_series().to_numpy()
    right = weights * (of_known["predicted"] == of_known["known_id"]).to_numpy()
    value = float(right.sum() / weights.sum())
    if draws is None:
        return value, None
    units, n_units = draws.units[known], draws.times.shape[1]
    above, below = (
        draws.times @ np.bincount(units, weights=part, minlength=n_units)
        for part in (right, weights)
    )
    with np.errstate(invalid="ignore"):
        return value, above / below


def _auroc(
    table: pl.DataFrame, known: np.ndarray[Any, Any], draws: Draws | None
) -> tuple[float, Floats | None]:
    """The value, and that of every resample."""
    scores = table["ood_score"].to_numpy()
    value = open_set.auroc(scores[known], scores[~known])
    if draws is None:
        return value, None
    units = draws.units[~known], draws.units[known]
    (drawn,) = Sample(scores[~known], scores[known], units, draws).values([bootstrap.auc], [value])
    return value, drawn
