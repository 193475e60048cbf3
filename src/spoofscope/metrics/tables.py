"""Metrics of a scored protocol as one long table: pooled, per condition, with intervals."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from spoofscope.errors import SpoofscopeError, TableError
from spoofscope.identity import rng_of
from spoofscope.metrics import bootstrap as bootstraps
from spoofscope.metrics import tdcf
from spoofscope.metrics.measure import (
    METRICS,
    Measured,
    Metric,
    mean_of,
    measure,
    tandem_metrics,
    threshold_metrics,
)
from spoofscope.names import MACRO, POOLED, check_condition, check_level
from spoofscope.options import check_resamples, nearest
from spoofscope.selection.calibration import log_likelihood_ratios
from spoofscope.tables import LABELS

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
NO_LEVEL = "-"
UNKNOWN = "-"
SPEAKER = "speaker"
ONE_BY_ONE = "none"
"""Instead of the name of a column: trials are resampled, not clusters."""

_ROW = "row of the trials"

_LOGGER = logging.getLogger(__name__)


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
    calibration: Mapping[str, Any] | None = None,
    tandem: tdcf.Tandem | None = None,
    only: Collection[str] | None = None,
) -> pl.DataFrame:
    """All metrics with their intervals, pooled and per level of each condition.

    A condition is a column, or several joined with `+` ("codec+attack"). Where the bona fide rows
    carry "-" throughout (`attack`), a level is that level's spoofs against all bona fide trials;
    otherwise both classes are taken from the level. In a joined condition each column follows its
    own rule, so "codec+attack" compares one attack's spoofs of a codec with the bona fide trials of
    that codec. Each condition ends with a row per metric that averages its levels, level
    "(macro average)", over those levels that have the metric.

    Args:
        joined: utt_id, label, score (higher = more bona fide) and the condition columns.
        by: the conditions.
        bootstrap: resamples behind the 95 % intervals, at least 100; 0 leaves them empty. Rule and
            limits: see `metrics.limits`.
        seed: of the bootstrap; a condition's interval does not depend on the others asked for.
        cluster: column whose values are resampled as wholes, see :func:`resampled_by`; by default
            the speakers where they are known, "none" for single trials. A level with fewer than two
            clusters (or trials) of a class has no interval.
        threshold: a decision threshold from elsewhere, usually the development set's at its EER;
            adds bonafide_rejected, spoof_accepted, hter, accuracy and f1.
        calibration: what makes log-likelihood ratios of the scores, fitted on a development set
            (see `selection.calibration`); adds act_dcf_calibrated and cllr_calibrated.
        tandem: cost in front of a speaker verifier; adds min_tdcf and act_tdcf, with a calibration
            also act_tdcf_calibrated. Its verifier is the same for all levels.
        only: names of the metrics to compute; None computes all.

    Returns:
        condition, level, metric, value, ci_low, ci_high, n_bonafide, n_spoof. Where a level lacks a
        class that a metric needs, its value is null. The pooled rows have condition "pooled" and
        level "-".

    Raises:
        TableError: a column is missing, or a condition is empty in some row.
        SpoofscopeError: a score is not finite, resamples are too few, or the cluster column asked
            for has a single value.
    """
    for name in ("utt_id", "label", "score"):
        _check_column(joined, name)
    check_resamples(bootstrap, "bootstrap")
    if joined["score"].has_nulls():
        raise TableError("column 'score' has empty values; every trial needs a score")
    # Sums of floats depend on their order; the order of the rows must not show in the numbers.
    joined = joined.sort("utt_id").with_row_index(_ROW)
    draws = draw(joined, bootstrap, seed, cluster) if bootstrap else None
    if draws is not None:
        _warn_of_single_units(joined, draws, cluster)
    measures = _measures(draws, threshold, calibration, tandem, only)
    rows = _rows(POOLED, NO_LEVEL, measures.level(joined), joined)
    for condition in by:
        levels = [
            (level, trials, measures.level(trials))
            for level, trials in split_levels(joined, condition)
        ]
        for level, trials, measured in levels:
            rows += _rows(condition, level, measured, trials)
        if levels:
            means = {
                name: mean_of([measured[name] for _, _, measured in levels])
                for name in measures.order
            }
            rows += _rows(condition, MACRO, means, joined)
    return pl.DataFrame(rows, schema=SCHEMA)


def _warn_of_single_units(
    joined: pl.DataFrame, draws: bootstraps.Draws, cluster: str | None
) -> None:
    what = (cluster or SPEAKER) if draws.clustered else "trial"
    for label in LABELS:
        units = draws.units[(joined["label"] == label).to_numpy()]
        if units.size and (units == units[0]).all():
            _LOGGER.warning(
                "there is a single %s of %s, so numbers that need this class have no interval",
                what,
                label,
            )


def draw(
    trials: pl.DataFrame, resamples: int, seed: int, cluster: str | None
) -> bootstraps.Draws | None:
    """The resamples of a table of trials, in the order of its rows.

    Args:
        trials: utt_id, label and the cluster column.
        resamples: how many.
        seed: of the bootstrap.
        cluster: as in :func:`resampled_by`.

    Returns:
        None where there are no trials.

    Raises:
        TableError, SpoofscopeError: as :func:`resampled_by`.
    """
    column = resampled_by(trials, cluster)
    if trials.is_empty():
        return None
    units = None if column is None else clusters_of(trials, column).to_numpy()
    is_bonafide = (trials["label"] == LABELS[0]).to_numpy()
    return bootstraps.Draws(is_bonafide, units, resamples, rng_of(seed, "bootstrap"))


def resampled_by(trials: pl.DataFrame, cluster: str | None) -> str | None:
    """The column whose values are drawn as wholes, or None where trials are drawn one by one.

    Trials of one speaker are alike, so that intervals from single trials are too narrow.

    Args:
        trials: utt_id and, where there is one, a column `speaker`, "-" where it is unknown.
        cluster: a column; "none" for single trials; None takes the speakers where at least two of
            them are known. Where some trials' value is unknown, these are drawn one by one.

    Raises:
        TableError: there is no such column, or it is empty in some row.
        SpoofscopeError: the column asked for has a single value.
    """
    if cluster == ONE_BY_ONE:
        return None
    column = SPEAKER if cluster is None else cluster
    if cluster is None and column not in trials.columns:
        return None
    _check_column(trials, column)
    if column in ("label", "score"):
        raise TableError(
            f"column {column!r} names no clusters: clusters hold trials that belong together, such "
            f"as those of a speaker; name another column, or {ONE_BY_ONE!r} for single trials"
        )
    _check_filled(trials, column)
    known = trials.filter(pl.col(column).cast(pl.String) != UNKNOWN)
    unknown = trials.height - known.height
    if known.is_empty():
        if cluster is not None:
            _LOGGER.warning(
                "the %s of all trials is unknown: they are resampled one by one, and the intervals "
                "may be too narrow",
                column,
            )
        return None
    if known[column].n_unique() < 2 and not unknown:
        if cluster is not None:
            raise SpoofscopeError(
                f"column {column!r} has a single value; a bootstrap over it is not possible: name "
                f"another column, or {ONE_BY_ONE!r} for single trials"
            )
        _LOGGER.warning(
            "all trials are of one %s: they are resampled one by one, which says nothing about "
            "others",
            column,
        )
        return None
    if unknown:
        _LOGGER.warning(
            "the %s of %d of %d trials is unknown: these are resampled one by one",
            column,
            unknown,
            trials.height,
        )
    return column


def clusters_of(trials: pl.DataFrame, column: str) -> pl.Series:
    """The cluster of each trial, which is resampled as a whole: a column's value, such as speaker.

    The value "-" means unknown and is no speaker: a trial with this value is its own cluster.
    """
    value = pl.col(column).cast(pl.String)
    alone = pl.format("{} {}", pl.lit(UNKNOWN), "utt_id")
    return trials.select(pl.when(value == UNKNOWN).then(alone).otherwise(value)).to_series()


def clusters_of_explained(
    table: pl.DataFrame, trials: pl.DataFrame, cluster: str | None, resamples: int
) -> pl.Series | None:
    """The clusters of explained utterances; None if utterances are drawn one by one, or not at all.

    Args:
        table: utt_id of the utterances.
        trials: utt_id and the cluster column of the corpus.
        cluster: column whose values are resampled as wholes, see :func:`resampled_by`.
        resamples: 0 where there is no bootstrap.

    Raises:
        TableError: an utterance is no trial; as :func:`resampled_by`.
    """
    missing = table.filter(~pl.col("utt_id").is_in(trials["utt_id"].implode()))["utt_id"]
    if missing.len():
        raise TableError(
            f"{missing.len()} explained utterances are not in the manifest, such as {missing[0]!r}"
        )
    explained = table.select("utt_id").join(trials, on="utt_id", how="left", maintain_order="left")
    column = resampled_by(explained, cluster) if resamples else None
    return None if column is None else clusters_of(explained, column)


def split_levels(joined: pl.DataFrame, condition: str) -> list[tuple[str, pl.DataFrame]]:
    """The trials of each level of a condition, by the rule of :func:`evaluate`, sorted by level.

    The levels of a joined condition are written with "+" as well.

    Raises:
        TableError: a column is missing, or empty in some row.
    """
    columns = [condition] if condition in joined.columns else condition.split("+")
    for name in columns:
        check_condition(name, "the trials")
        _check_column(joined, name)
        _check_filled(joined, name)
    joined = joined.with_columns(pl.col(name).cast(pl.String) for name in columns)
    bonafide = joined.filter(pl.col("label") == "bonafide")
    spoof = joined.filter(pl.col("label") == "spoof")
    # A column that only spoofs have does not select bona fide trials to compare with.
    matched = [name for name in columns if (bonafide[name] != "-").any()]
    has_levels = joined if matched == columns else spoof
    levels = []
    for row in has_levels.select(columns).unique().sort(columns).iter_rows(named=True):
        of_level = pl.all_horizontal(pl.col(name) == row[name] for name in columns)
        matching = pl.all_horizontal(pl.lit(True), *(pl.col(name) == row[name] for name in matched))
        trials = pl.concat([bonafide.filter(matching), spoof.filter(of_level)])
        for name in columns:
            check_level(row[name], name, f"trial {trials['utt_id'][0]!r}")
        levels.append(("+".join(row[name] for name in columns), trials))
    joint = [level for level, _ in levels]
    for level in joint:
        if joint.count(level) > 1:
            raise TableError(
                f"two levels of {condition!r} are called {level!r}: they hold a '+', which stands "
                "between the levels of a joined condition; rename them"
            )
    return levels


def _check_column(joined: pl.DataFrame, name: str) -> None:
    if name not in joined.columns:
        columns = [column for column in joined.columns if column != _ROW]
        raise TableError(f"the trials have no column {name!r}; {nearest(name, columns)}")


def _check_filled(joined: pl.DataFrame, name: str) -> None:
    empty = joined.filter(pl.col(name).cast(pl.String).fill_null("") == "")
    if empty.height:
        raise TableError(
            f"column {name!r} is empty for {empty['utt_id'][0]!r}; "
            "write '-' where a condition does not apply"
        )


class _Measures(NamedTuple):
    """The metrics of every level: of raw scores, and of calibrated scores."""

    draws: bootstraps.Draws | None
    of_scores: Mapping[str, Metric]
    of_ratios: Mapping[str, Metric]
    calibration: Mapping[str, Any] | None
    order: Sequence[str]

    def level(self, trials: pl.DataFrame) -> dict[str, Measured]:
        """All metrics of the trials of a level, in order."""
        classes = [trials.filter(pl.col("label") == label) for label in LABELS]
        bonafide, spoof = (rows["score"].to_numpy() for rows in classes)
        units = None
        if self.draws is not None:
            first, second = (self.draws.units[rows[_ROW].to_numpy()] for rows in classes)
            units = first, second
        measured = measure(bonafide, spoof, self.of_scores, units, self.draws)
        if self.calibration is not None:
            ratios = [log_likelihood_ratios(x, self.calibration) for x in (bonafide, spoof)]
            measured |= measure(ratios[0], ratios[1], self.of_ratios, units, self.draws)
        return {name: measured[name] for name in self.order}


def _measures(
    draws: bootstraps.Draws | None,
    threshold: float | None,
    calibration: Mapping[str, Any] | None,
    tandem: tdcf.Tandem | None,
    only: Collection[str] | None,
) -> _Measures:
    of_tandem = {} if tandem is None else tandem_metrics(tandem)
    of_scores = {**METRICS, **of_tandem}
    order = list(METRICS)
    of_ratios = {}
    if calibration is not None:
        of_ratios = {f"{name}_calibrated": METRICS[name] for name in ("act_dcf", "cllr")}
        order += CALIBRATED_METRICS
    order += of_tandem
    if of_tandem and calibration is not None:
        of_ratios[CALIBRATED_TANDEM_METRIC] = of_tandem["act_tdcf"]
        order.append(CALIBRATED_TANDEM_METRIC)
    if threshold is not None:
        of_scores |= threshold_metrics(threshold)
        order += THRESHOLD_METRICS
    if only is not None:
        order = [name for name in order if name in only]
    return _Measures(
        draws,
        {name: metric for name, metric in of_scores.items() if name in order},
        {name: metric for name, metric in of_ratios.items() if name in order},
        calibration,
        order,
    )


def _rows(
    condition: str, level: str, measured: Mapping[str, Measured], trials: pl.DataFrame
) -> list[dict[str, Any]]:
    n_bonafide = int((trials["label"] == LABELS[0]).sum())
    return [
        {
            "condition": condition,
            "level": level,
            "metric": name,
            "value": estimate.value,
            "ci_low": None if estimate.interval is None else estimate.interval.low,
            "ci_high": None if estimate.interval is None else estimate.interval.high,
            "n_bonafide": n_bonafide,
            "n_spoof": trials.height - n_bonafide,
        }
        for name, estimate in measured.items()
    ]


def over_seeds(metrics: pl.DataFrame) -> pl.DataFrame:
    """Mean and standard deviation over training seeds: the spread of the method.

    The bootstrap interval, in contrast, is the uncertainty of one trained system.

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
