"""Are the probabilities right? Reliability diagrams and expected calibration error.

If a detector gives some clips a probability of bona fide of, say, 80 %, then 80 % of them should be
bona fide. A probability depends on the prior, and the class ratio of a test set is no realistic
prior. So the classes are weighted to a given prior: with the prior of the calibration, a detector
can be perfect for any class ratio.

Definitions: Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
binning" (2015) for bins of equal width; Nixon et al., "Measuring calibration in deep learning"
(2019) for those of equal mass.

Intervals (95 %): the observed probability of a bin is a share of its clips. So its interval is the
exact binomial interval for the effective number of clips (`metrics.limits`), and contains 95 % of
the resamples. The calibration error of a few clips is too large even if all probabilities are
right, and the error of resamples is larger still. By the triangle inequality, its deviation is at
most the sum over bins of the deviations of the distance between predicted and observed probability;
the resamples give the distribution of this sum. So the interval reaches down by the 97.5 % quantile
of the sum and up to the same quantile of the resamples, and contains the sum of the bins' intervals
(`limits.sum_limits`).
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import expit

from spoofscope.errors import SpoofscopeError
from spoofscope.metrics.bootstrap import Counts, Draws
from spoofscope.metrics.limits import (
    CONFIDENCE,
    Interval,
    Trials,
    hull,
    percentile_interval,
    rate_limits,
    sum_limits,
    within,
)
from spoofscope.selection.calibration import check_prior, class_weights
from spoofscope.selection.operating_points import Floats, check_scores

BINS = 15
SCHEMA: dict[str, pl.DataType] = {
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n_bonafide": pl.Int64(),
    "n_spoof": pl.Int64(),
    "mass": pl.Float64(),
    "predicted": pl.Float64(),
    "observed": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
}


class Reliability(NamedTuple):
    """Bins, see :func:`reliability`; their expected calibration error from 0 (right) to 1, and its
    interval, None where there is none.

    The error is the mean distance of predicted and observed probability, weighted by mass. It
    depends on the bins; Cllr does not.
    """

    table: pl.DataFrame
    error: float
    interval: Interval | None


def posteriors(ratios: npt.ArrayLike, prior: float) -> Floats:
    """Probability of bona fide (n,) from natural-log likelihood ratios at a prior.

    Raises:
        SpoofscopeError: the prior is not between 0 and 1.
    """
    check_prior(prior)
    return np.asarray(expit(np.asarray(ratios, dtype=np.float64) + math.log(prior / (1 - prior))))


def reliability(
    bonafide: npt.ArrayLike,
    spoof: npt.ArrayLike,
    prior: float = 0.5,
    bins: int = BINS,
    adaptive: bool = False,
    units: tuple[Counts, Counts] | None = None,
    draws: Draws | None = None,
) -> Reliability:
    """Predicted against observed probability of bona fide, in bins.

    Args:
        bonafide: log-likelihood ratios of bona fide trials, natural log.
        spoof: log-likelihood ratios of spoof trials.
        prior: of bona fide; the classes are weighted to it.
        bins: how many; [low, high), the last one closed.
        adaptive: bins of equal mass instead of equal width. Equal probabilities stay together, so
            there can be fewer.
        units: the unit of each trial of the classes, as in `draws.units`.
        draws: the resamples of the table that the trials are from; None makes no intervals, and
            neither do fewer than two units (clusters, or trials) of a class.

    Returns:
        In its table one row per bin that is not empty: low, high, n_bonafide, n_spoof, mass (share
        of the weight, summing to 1), predicted (mean posterior), observed (weighted share of bona
        fide) with its interval (ci_low, ci_high).

    Raises:
        SpoofscopeError: as `check_scores`; also for a prior outside (0, 1) or fewer than one bin.
    """
    bonafide, spoof = check_scores(bonafide, spoof)
    if bins < 1:
        raise SpoofscopeError(f"a reliability diagram needs at least one bin, not {bins}")
    probability = posteriors(np.concatenate([bonafide, spoof]), prior)
    is_bonafide = np.repeat([True, False], [bonafide.size, spoof.size])
    weights = class_weights(bonafide.size, spoof.size, prior)
    edges = _equal_mass(probability, weights, bins) if adaptive else np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, probability, side="right") - 1, 0, edges.size - 2)
    filled, place = np.unique(place, return_inverse=True)
    of_bin = np.bincount(place, weights)
    predicted = np.bincount(place, weights * probability) / of_bin
    observed = np.bincount(place, weights * is_bonafide) / of_bin
    table = pl.DataFrame(
        {
            "low": edges[filled],
            "high": edges[filled + 1],
            "n_bonafide": np.bincount(place[is_bonafide], minlength=filled.size),
            "n_spoof": np.bincount(place[~is_bonafide], minlength=filled.size),
            "mass": of_bin,
            "predicted": predicted,
            "observed": observed,
            "ci_low": None,
            "ci_high": None,
        },
        schema=SCHEMA,
    )
    error = float(of_bin @ np.abs(predicted - observed))
    if (
        draws is None
        or units is None
        or min(np.unique(units_of_class).size for units_of_class in units) < 2
    ):
        return Reliability(table, error, None)
    ends, interval = _intervals(
        table, error, (np.concatenate(units), place, is_bonafide, probability), prior, draws
    )
    low, high = np.array(ends).T
    return Reliability(table.with_columns(ci_low=low, ci_high=high), error, interval)


def _intervals(
    table: pl.DataFrame,
    error: float,
    trials: tuple[Counts, Counts, npt.NDArray[np.bool_], Floats],
    prior: float,
    draws: Draws,
) -> tuple[list[Interval], Interval]:
    """The intervals of the observed probability of each bin, and of the calibration error.

    Args:
        table: bins without intervals.
        error: of them.
        trials: (n,) unit, bin, whether it is bona fide, and posterior of each.
        prior: of bona fide.
        draws: the resamples.
    """
    units, place, is_bonafide, probability = trials
    shape = draws.times.shape[1], table.height

    def drawn(of_class: npt.NDArray[np.bool_], values: Floats) -> Floats:
        """Sums of the values by bin in each resample, (resamples, bins)."""
        cells = units[of_class] * shape[1] + place[of_class]
        by_unit = np.bincount(cells, values[of_class], shape[0] * shape[1]).reshape(shape)
        sums: Floats = draws.times.astype(np.float64) @ by_unit
        return sums

    ones = np.ones(units.size)
    n_bonafide, n_spoof = drawn(is_bonafide, ones), drawn(~is_bonafide, ones)
    # The trials of a class in a resample share the weight of the class.
    gaps = (
        prior
        * (drawn(is_bonafide, probability) - n_bonafide)
        / n_bonafide.sum(axis=1, keepdims=True)
    ) + (1 - prior) * drawn(~is_bonafide, probability) / n_spoof.sum(axis=1, keepdims=True)
    errors = np.abs(gaps).sum(axis=1)
    signed = (table["mass"] * (table["predicted"] - table["observed"])).to_numpy()
    off = float(np.quantile(np.abs(gaps - signed).sum(axis=1), 0.5 + CONFIDENCE / 2))
    weights = prior / is_bonafide.sum(), (1 - prior) / (~is_bonafide).sum()
    intervals, below, above = [], [], []
    for i, row in enumerate(table.iter_rows(named=True)):
        in_bin = place == i
        total = n_bonafide[:, i] + n_spoof[:, i]
        shares = n_bonafide[total > 0, i] / total[total > 0]
        share = row["n_bonafide"] / (row["n_bonafide"] + row["n_spoof"])
        n_units = np.unique(units[in_bin]).size if draws.clustered else int(in_bin.sum())
        limits = rate_limits(share, shares, Trials(n_units, int(in_bin.sum())))
        low, high = hull(percentile_interval(shares), limits)
        # As the classes weigh.
        interval = Interval(
            *(w[0] * q / (w[0] * q + w[1] * (1 - q)) for q, w in ((low, weights), (high, weights)))
        )
        intervals.append(interval)
        predicted, gap = row["predicted"], abs(row["predicted"] - row["observed"])
        nearest = min(max(predicted, interval.low), interval.high)
        below.append(abs(predicted - nearest))
        above.append(max(gap, *(abs(predicted - end) for end in interval)))
    gap = (table["predicted"] - table["observed"]).abs().to_list()
    added = sum_limits(table["mass"].to_list(), gap, list(map(Interval, below, above)))
    drawn_errors = percentile_interval(errors)
    return intervals, within(hull(Interval(error - off, drawn_errors.high), added), 0.0, 1.0)


def _equal_mass(probability: Floats, weights: Floats, bins: int) -> Floats:
    """Edges from 0 to 1 of bins of about the same weight; no edge separates equal values."""
    order = np.argsort(probability, kind="stable")
    ordered = probability[order]
    reached = np.cumsum(weights[order])
    starts = np.searchsorted(reached, np.arange(1, bins) / bins, side="left") + 1
    inner = np.unique(ordered[starts[starts < ordered.size]])
    return np.concatenate([[0.0], inner[(inner > ordered[0]) & (inner < 1)], [1.0]])
