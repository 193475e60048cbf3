"""Metrics of a scored protocol as one long table: pooled, per condition, with intervals."""

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

import polars as pl

from spoofscope.errors import SpoofscopeError, TableError
from spoofscope.identity import rng_of
from spoofscope.metrics import bootstrap as bootstraps
from spoofscope.metrics import information, rates, tdcf
from spoofscope.options import nearest

SCHEMA: dict[str, pl.DataType] = {
    "condition": pl.String(),
    "level": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "n_bonafide": pl.Int64(),
    "n_spoof": pl.Int64(),
}
POOLED = "pooled"
NO_LEVEL = "-"
MACRO = "(macro average)"
UNKNOWN = "-"
_CLUSTER = "cluster of the bootstrap"

_LOGGER = logging.getLogger(__name__)


class Metric(NamedTuple):
    """A number of all bona fide and all spoof scores of a set of trials.

    title: column heading where people read it. of: from bona fide scores and spoof scores, neither
    of them empty.
    """

    title: str
    of: Callable[[rates.Floats, rates.Floats], float]


METRICS: dict[str, Metric] = {
    "eer": Metric("EER", lambda bonafide, spoof: rates.eer(bonafide, spoof).value),
    "min_dcf": Metric("minDCF", rates.min_dcf),
    "act_dcf": Metric("actDCF", rates.act_dcf),
    "cllr": Metric("Cllr", information.cllr),
    "min_cllr": Metric("min Cllr", information.min_cllr),
    "auc": Metric("AUC", rates.auc),
}
CALIBRATED_METRICS = ("act_dcf_calibrated", "cllr_calibrated")
# Only where a speaker verifier is given.
TANDEM_METRICS = {"min_tdcf": "min t-DCF", "act_tdcf": "act t-DCF"}
CALIBRATED_TANDEM_METRIC = "act_tdcf_calibrated"
THRESHOLD_METRICS = ("bonafide_rejected", "spoof_accepted", "hter", "accuracy", "f1")


def evaluate(
    joined: pl.DataFrame,
    by: list[str],
    bootstrap: int,
    seed: int,
    cluster: str | None = None,
    threshold: float | None = None,
    calibration: Mapping[str, float] | None = None,
    tandem: tdcf.Tandem | None = None,
) -> pl.DataFrame:
    """All metrics, pooled and per level of each condition.

    A condition is a column, or several joined with `+` ("codec+system"). Where the bona fide rows
    carry "-" throughout (`system`), a level is that level's spoofs against all bona fide trials;
    otherwise both classes are taken from the level. In a joined condition each column follows its
    own rule, so "codec+system" compares one system's spoofs of a codec with the bona fide trials of
    that codec. Each condition ends with a row per metric that averages its levels, level
    "(macro average)", over those levels that have the metric.

    Args:
        joined: utt_id, label, score (higher = more bona fide) and the condition columns.
        by: the conditions.
        bootstrap: resamples behind the 95 % intervals of eer and min_dcf; 0 leaves them empty.
        seed: of the bootstrap; a condition's interval does not depend on the others asked for.
        cluster: column whose values are resampled as a whole (`speaker`), see :func:`clusters_of`;
            None resamples trials. A level with one single cluster has no interval.
        threshold: a decision threshold from elsewhere, usually the development set's at its EER;
            adds bonafide_rejected, spoof_accepted, hter, accuracy and f1.
        calibration: `scale` and `offset` that make the scores log-likelihood ratios, fitted on a
            development set; adds act_dcf_calibrated and cllr_calibrated.
        tandem: cost in front of a speaker verifier; adds min_tdcf and act_tdcf, with a calibration
            also act_tdcf_calibrated. Its verifier is the same for all levels.

    Returns:
        condition, level, metric, value, ci_low, ci_high, n_bonafide, n_spoof. Where a level lacks a
        class that a metric needs, its value is null. The pooled rows have condition "pooled" and
        level "-".

    Raises:
        TableError: a column is missing, or a condition is empty in some row.
        SpoofscopeError: a score is not finite, or there is a single cluster in the whole table.
    """
    for name in ("utt_id", "label", "score"):
        _check_column(joined, name)
    if cluster is not None:
        _check_column(joined, cluster)
        _check_filled(joined, cluster)
        unknown = int((joined[cluster] == UNKNOWN).sum())
        if bootstrap and unknown:
            _LOGGER.warning(
                "the %s of %d of %d trials is unknown: these are resampled one by one",
                cluster,
                unknown,
                joined.height,
            )
        joined = joined.with_columns(clusters_of(joined, cluster).alias(_CLUSTER))
        if bootstrap and joined[_CLUSTER].n_unique() < 2:
            raise SpoofscopeError(
                f"column {cluster!r} has a single value; a bootstrap over it is not possible"
            )
    if POOLED in by:
        raise TableError(f"a condition cannot be called {POOLED!r}; rename the column")
    if joined["score"].has_nulls():
        raise TableError("column 'score' has empty values; every trial needs a score")
    # Sums of floats depend on their order; the order of the rows must not show in the numbers.
    joined = joined.sort("utt_id")

    def block(condition: str, level: str, trials: pl.DataFrame) -> pl.DataFrame:
        return _block(
            trials,
            condition,
            level,
            bootstrap=bootstrap,
            seed=seed,
            clustered=cluster is not None,
            threshold=threshold,
            calibration=calibration,
            tandem=tandem,
        )

    blocks = [block(POOLED, NO_LEVEL, joined)]
    for condition in by:
        levels = [
            block(condition, level, trials) for level, trials in split_levels(joined, condition)
        ]
        if levels:
            blocks += [*levels, _macro_average(pl.concat(levels), joined)]
    return pl.concat(blocks)


def clusters_of(trials: pl.DataFrame, column: str) -> pl.Series:
    """What is resampled as a whole, per trial: the value of a column, such as its speaker.

    A value "-" is unknown, and no speaker: a trial with it is resampled by itself.
    """
    value = pl.col(column).cast(pl.String)
    alone = pl.format("{} {}", pl.lit(UNKNOWN), "utt_id")
    return trials.select(pl.when(value == UNKNOWN).then(alone).otherwise(value)).to_series()


def split_levels(joined: pl.DataFrame, condition: str) -> list[tuple[str, pl.DataFrame]]:
    """The trials of each level of a condition, by the rule of :func:`evaluate`, sorted by level.

    The levels of a joined condition are written with "+" as well.

    Raises:
        TableError: a column is missing, or empty in some row.
    """
    columns = [condition] if condition in joined.columns else condition.split("+")
    for name in columns:
        _check_column(joined, name)
        _check_filled(joined, name)
    joined = joined.with_columns(pl.col(name).cast(pl.String) for name in columns)
    bonafide = joined.filter(pl.col("label") == "bonafide")
    spoof = joined.filter(pl.col("label") == "spoof")
    # Columns that only spoofs have say nothing about which bona fide trials to compare with.
    matched = [name for name in columns if (bonafide[name] != "-").any()]
    has_levels = joined if matched == columns else spoof
    levels = []
    for row in has_levels.select(columns).unique().sort(columns).iter_rows(named=True):
        of_level = pl.all_horizontal(pl.col(name) == row[name] for name in columns)
        matching = pl.all_horizontal(pl.lit(True), *(pl.col(name) == row[name] for name in matched))
        trials = pl.concat([bonafide.filter(matching), spoof.filter(of_level)])
        levels.append(("+".join(row[name] for name in columns), trials))
    return levels


def _check_column(joined: pl.DataFrame, name: str) -> None:
    if name not in joined.columns:
        raise TableError(f"the trials have no column {name!r}; {nearest(name, joined.columns)}")


def _check_filled(joined: pl.DataFrame, name: str) -> None:
    empty = joined.filter(pl.col(name).cast(pl.String).fill_null("") == "")
    if empty.height:
        raise TableError(
            f"column {name!r} is empty for {empty['utt_id'][0]!r}; "
            "write '-' where a condition does not apply"
        )


def _block(
    trials: pl.DataFrame,
    condition: str,
    level: str,
    *,
    bootstrap: int,
    seed: int,
    clustered: bool,
    threshold: float | None,
    calibration: Mapping[str, float] | None,
    tandem: tdcf.Tandem | None,
) -> pl.DataFrame:
    classes = {label: trials.filter(pl.col("label") == label) for label in ("bonafide", "spoof")}
    bonafide, spoof = (classes[label]["score"].to_numpy() for label in classes)
    values: dict[str, float | None] = dict.fromkeys(METRICS)
    intervals: dict[str, bootstraps.Interval] = {}
    if bonafide.size and spoof.size:
        values |= {name: metric.of(bonafide, spoof) for name, metric in METRICS.items()}
        if bootstrap:
            rng = rng_of(seed, "bootstrap", condition, level)
            resamples = None
            if not clustered:
                resamples = bootstraps.resample(bonafide, spoof, bootstrap, rng)
            elif trials[_CLUSTER].n_unique() > 1:
                numbers = trials[_CLUSTER].rank("dense").to_numpy()
                is_bonafide = (trials["label"] == "bonafide").to_numpy()
                clusters = numbers[is_bonafide], numbers[~is_bonafide]
                resamples = bootstraps.resample_clusters(bonafide, spoof, clusters, bootstrap, rng)
            if resamples is not None:
                intervals["eer"] = bootstraps.percentile_interval(resamples.eer)
                intervals["min_dcf"] = bootstraps.percentile_interval(resamples.min_dcf)
    if calibration is not None:
        ratios = [calibration["scale"] * x + calibration["offset"] for x in (bonafide, spoof)]
        values |= dict.fromkeys(CALIBRATED_METRICS)
        if bonafide.size and spoof.size:
            values["act_dcf_calibrated"] = rates.act_dcf(*ratios)
            values["cllr_calibrated"] = information.cllr(*ratios)
    if tandem is not None:
        values |= dict.fromkeys(TANDEM_METRICS)
        if bonafide.size and spoof.size:
            values["min_tdcf"] = tdcf.min_tdcf(bonafide, spoof, tandem)
            values["act_tdcf"] = tdcf.act_tdcf(bonafide, spoof, tandem)
            if calibration is not None:
                values[CALIBRATED_TANDEM_METRIC] = tdcf.act_tdcf(ratios[0], ratios[1], tandem)
        elif calibration is not None:
            values[CALIBRATED_TANDEM_METRIC] = None
    if threshold is not None:
        values |= dict.fromkeys(THRESHOLD_METRICS)
        if bonafide.size:
            values["bonafide_rejected"] = rates.bonafide_rejected(bonafide, threshold)
        if spoof.size:
            values["spoof_accepted"] = rates.spoof_accepted(spoof, threshold)
        if bonafide.size and spoof.size:
            values["hter"] = rates.error_rates(bonafide, spoof, threshold).hter
            values["accuracy"] = rates.accuracy(bonafide, spoof, threshold)
            values["f1"] = rates.f1(bonafide, spoof, threshold)
    rows = [
        {
            "condition": condition,
            "level": level,
            "metric": metric,
            "value": value,
            "ci_low": intervals[metric].low if metric in intervals else None,
            "ci_high": intervals[metric].high if metric in intervals else None,
            "n_bonafide": bonafide.size,
            "n_spoof": spoof.size,
        }
        for metric, value in values.items()
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def _macro_average(levels: pl.DataFrame, joined: pl.DataFrame) -> pl.DataFrame:
    return (
        levels.group_by("condition", "metric", maintain_order=True)
        .agg(pl.col("value").mean())
        .with_columns(
            level=pl.lit(MACRO),
            ci_low=pl.lit(None, pl.Float64),
            ci_high=pl.lit(None, pl.Float64),
            n_bonafide=pl.lit((joined["label"] == "bonafide").sum(), pl.Int64),
            n_spoof=pl.lit((joined["label"] == "spoof").sum(), pl.Int64),
        )
        .select(list(SCHEMA))
    )


def over_seeds(metrics: pl.DataFrame) -> pl.DataFrame:
    """Mean and standard deviation over training seeds: how much the method varies.

    That is a different question from the bootstrap interval of one trained system.

    Args:
        metrics: rows of :func:`evaluate` with a column `seed` and any further columns that tell
            runs apart (detector, corpus, split).

    Returns:
        One row per combination of the other columns: mean, sd (sample, n - 1; null for one seed),
        n_seeds. Seeds whose value is null are not counted.

    Raises:
        TableError: there is no column `seed`, or a run has two rows for one metric.
    """
    _check_column(metrics, "seed")
    measured = ("seed", "value", "ci_low", "ci_high", "n_bonafide", "n_spoof")
    keys = [name for name in metrics.columns if name not in measured]
    doubled = metrics.filter(metrics.select([*keys, "seed"]).is_duplicated())
    if doubled.height:
        raise TableError(f"two rows for the same run and metric: {doubled.row(0, named=True)}")
    return metrics.group_by(keys, maintain_order=True).agg(
        mean=pl.col("value").mean(),
        sd=pl.col("value").std(),
        n_seeds=pl.col("value").count(),
    )
