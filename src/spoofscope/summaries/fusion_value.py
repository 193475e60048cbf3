"""The table of what each detector adds to a fusion: the fusion without it, on the same trials."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.errors import ConfigError
from spoofscope.exhibits import Table
from spoofscope.fusion import apply_to_trials, fit_on_trials
from spoofscope.metrics.correlation import holm
from spoofscope.metrics.paired import METRICS, SCHEMA, compare
from spoofscope.metrics.tables import evaluate
from spoofscope.tables import (
    LABELS,
    join_scores,
    read_manifest,
    read_scores,
    read_table,
    write_table,
)

TABLE = Table(
    title="What each detector adds to a fusion",
    shows="Every fusion without one of its detectors: paired differences, Holm-corrected.",
    caption=(
        "Each fusion is fitted again on its own development trials without one detector, and "
        "compared with the whole on the same resampled trials. value is the metric of the whole "
        "fusion, with the interval that the tables of error rates have. gain is the metric "
        "without the detector less that of the whole fusion: above 0, the detector helps. "
        "Intervals are 95 % intervals over speakers where these are known. A p_holm below 0.05 is "
        "significant after Holm's correction over the detectors of a fusion and set; a larger one "
        "does not prove that a detector can go. A detector whose twin is in the fusion adds "
        "nothing, and the twin neither, though both together may add much."
    ),
    needs="fusion_parts",
    place=44,
    printed=(
        "fusion",
        "corpus",
        "split",
        "left_out",
        "metric",
        "value",
        "value_without",
        "gain",
        "p_holm",
    ),
    interval_of="gain",
)

_NAMES = ("fusion", "corpus", "split", "left_out", "metric")
_COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(_NAMES, pl.String()),
    **dict.fromkeys(("value", "value_without", "gain"), pl.Float64()),
    **dict.fromkeys(("n_bonafide", "n_spoof"), pl.Int64()),
}
# Empty if there are too few trials or clusters for an interval and a p.
_OPTIONAL: dict[str, pl.DataType] = {
    **dict.fromkeys(("value_low", "value_high"), pl.Float64()),
    **dict.fromkeys(("ci_low", "ci_high", "p", "p_holm", "p_smallest"), pl.Float64()),
    "n_clusters": pl.Int64(),
}
_TESTED = tuple(SCHEMA)[tuple(SCHEMA).index("difference") + 1 :]
_WHOLE, _WITHOUT = "whole", "without"


def make(
    fusions: Sequence[Mapping[str, Any]],
    outputs: Mapping[str, str],
    *,
    resamples: int,
    bootstrap_seed: int,
    cluster: str | None,
) -> None:
    """Write the table, see :func:`values`, of all sets that have both classes.

    Args:
        fusions: name, method; `manifest`, `fit_split` and `scores` (the file of each detector by
            its name) of what it is fitted on; `sets`: corpus, split, `manifest` and `scores` of
            what it is judged on.
        outputs: `table`.
        resamples, bootstrap_seed, cluster: of the comparisons, see `metrics.paired.compare`.

    Raises:
        ConfigError: no set has both classes.
    """
    tables = []
    for fusion in fusions:
        fitted_on = read_manifest(fusion["manifest"]).filter(split=fusion["fit_split"])
        dev = {name: read_scores(path) for name, path in fusion["scores"].items()}
        for of_set in fusion["sets"]:
            trials = read_manifest(of_set["manifest"]).filter(split=of_set["split"])
            if trials["label"].n_unique() < len(LABELS):
                continue
            scores = {name: read_scores(path) for name, path in of_set["scores"].items()}
            table = values(
                dev,
                fitted_on,
                scores,
                trials,
                fusion["method"],
                resamples=resamples,
                seed=bootstrap_seed,
                cluster=cluster,
            )
            names = {"fusion": fusion["name"], **{k: of_set[k] for k in ("corpus", "split")}}
            tables.append(table.select(*(pl.lit(v).alias(k) for k, v in names.items()), pl.all()))
    if not tables:
        raise ConfigError("fusion: no fusion is judged on an eval set of both classes")
    write_table(outputs["table"], pl.concat(tables))


def values(
    dev: Mapping[str, pl.DataFrame],
    fitted_on: pl.DataFrame,
    scores: Mapping[str, pl.DataFrame],
    trials: pl.DataFrame,
    method: str,
    *,
    resamples: int,
    seed: int,
    cluster: str | None,
) -> pl.DataFrame:
    """What a fusion loses without each of its detectors.

    Args:
        dev: detector to utt_id, score of the trials that the fusion is fitted on; two or more.
        fitted_on: these trials.
        scores: detector to utt_id, score of the trials that it is judged on.
        trials: these trials; both classes.
        method: of the fusion.
        resamples, seed, cluster: see `metrics.paired.compare`.

    Returns:
        left_out, metric, value (of the whole fusion), value_low and value_high (its interval, that
        of `metrics.tables.evaluate`), value_without, gain (value_without less value), ci_low,
        ci_high, p, p_holm (over the detectors), p_smallest, n_bonafide, n_spoof, n_clusters. p is
        null where it is not defined.

    Raises:
        TableError, SpoofscopeError: as `fusion.fit_on_trials` and `metrics.paired.compare`.
    """

    def fused(names: Sequence[str]) -> pl.DataFrame:
        model = fit_on_trials({name: dev[name] for name in names}, fitted_on, method)
        return apply_to_trials(model, {name: scores[name] for name in names}, trials, fitted_on)

    names = sorted(scores)
    whole = fused(names)
    tables = []
    for name in names:
        without = fused([other for other in names if other != name])
        pair = {_WITHOUT: without, _WHOLE: whole}
        tables.append(
            compare(pair, trials, resamples, seed, cluster).with_columns(left_out=pl.lit(name))
        )
    compared = pl.concat(tables).with_columns(pl.col("p").fill_nan(None))
    joined = join_scores(whole, trials, scores_name="the fusion", trials_name="the trials")
    limits = evaluate(joined, [], resamples, seed, cluster, only=METRICS).select(
        "metric", value_low="ci_low", value_high="ci_high"
    )
    corrected = []
    for metric in METRICS:
        of_metric = compared.filter(metric=metric)
        p = of_metric["p"]
        strict = [None] * p.len() if p.has_nulls() else holm(p.to_numpy()).tolist()
        corrected.append(of_metric.with_columns(p_holm=pl.Series(strict, dtype=pl.Float64())))
    return (
        pl.concat(corrected)
        .sort("left_out", maintain_order=True)
        .with_columns((pl.col("p_smallest") * len(names)).clip(upper_bound=1.0))
        .join(limits, on="metric", how="left", maintain_order="left")
        .select(
            "left_out",
            "metric",
            pl.col("value_second").alias("value"),
            "value_low",
            "value_high",
            pl.col("value_first").alias("value_without"),
            pl.col("difference").alias("gain"),
            *_TESTED,
        )
    )


def read_fusion_value(path: str) -> pl.DataFrame:
    """The table of what detectors add to fusions; an undefined value is null.

    Raises:
        TableError: as `tables.read_table`.
    """
    return read_table(path, _COLUMNS, _OPTIONAL)
