"""How certain a rate can be at all: limits that a bootstrap interval may not fall short of.

A bootstrap draws what was seen, and has nothing to draw where no error, or nothing else, was seen:
0 errors of 10 trials give 0 in every resample. So every 95 % interval of a rate reaches at least as
far as the exact binomial one (Clopper and Pearson, "The use of confidence or fiducial limits
illustrated in the case of the binomial", 1934) of the trials that decide it:

* A rate of one class (bona fide rejected, spoof accepted): the trials of that class. A rate of both
  (EER, HTER, F1, 1 - AUC): those of the class that has fewer. For the AUC that is its largest
  possible variance, A (1 - A) / min(n, m) (Birnbaum and Klose, "Bounds for the variance of the
  Mann-Whitney statistic", 1957). The accuracy: all trials.
* Where whole clusters (speakers) are drawn, trials count for what they are worth: their effective
  number v (1 - v) / (variance of the rate v over the resamples), after Korn and Graubard,
  "Confidence intervals for proportions with small expected number of positive counts estimated from
  survey data" (1998), and times their (t(n - 1) / t(k - 1))^2 for n trials in k clusters, because
  the variance is known from k clusters only. It is at least the number of clusters with trials of
  that class, and at most the number of trials. A rate of 0 or 1 tells nothing about how errors
  gather in clusters: then every cluster counts as one trial. A few errors tell little: the variance
  known from e effective errors (from the other trials, where these are fewer) is averaged with that
  of one trial per cluster, with the weights e and 1. Without this, 1 error in 70 trials of 7
  speakers would have an interval four times shorter than no error; and where errors gather in
  speakers, intervals would hold the truth in as few as 78 % of simulations instead of 95 % or more
  (`benchmarks/rate_intervals.py`).
* A cost that adds up two rates (minDCF, actDCF, t-DCF): the limits of the two rates at its
  threshold, added up by the squares of their distances (Zou and Donner, "Construction of confidence
  limits about effect measures", 2008).
* Cllr and its minimum: the 97.5 % quantile of Student's t for what is drawn, times the larger of
  the standard errors of independent trials and of the resamples, so that a few speakers do not
  look certain.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv, stdtrit

from spoofscope.selection.operating_points import Floats

CONFIDENCE = 0.95

QUANTILE = 1.959963984540054
"""97.5 % quantile of the normal distribution."""

LEAST_CLIPS = 8
"""Means and correlations over fewer clips, or clusters where these are drawn, have no interval."""

# Resamples that are equal but for rounding are the same.
_ROUNDING = 1e-12


class Interval(NamedTuple):
    """Lower and upper end of a confidence interval."""

    low: float
    high: float


class Trials(NamedTuple):
    """What a rate is counted on. units: what is drawn, clusters or single trials. trials: of the
    class that decides the rate.
    """

    units: int
    trials: int


def clopper_pearson(errors: float, trials: float, confidence: float = CONFIDENCE) -> Interval:
    """Exact binomial interval of the rate of `errors` in `trials`, which need not be whole numbers.

    0 errors give [0, 1 - (tail)^(1 / trials)], with half of 1 - confidence as the tail.
    """
    tail = (1 - confidence) / 2
    low = float(betaincinv(errors, trials - errors + 1, tail)) if errors > 0 else 0.0
    high = float(betaincinv(errors + 1, trials - errors, 1 - tail)) if errors < trials else 1.0
    return Interval(low, high)


def effective_trials(value: float, resampled: Floats, counted: Trials) -> float:
    """For how many independent trials the trials behind a rate count; see the module's rule."""
    variance = float(np.var(resampled))
    if variance == 0 or not 0 < value < 1 or counted.units < 2:
        return counted.units
    n = value * (1 - value) / variance
    if counted.units < counted.trials:
        # The variance itself is known from so many clusters only.
        n *= float(stdtrit(counted.trials - 1, 0.975) / stdtrit(counted.units - 1, 0.975)) ** 2
    n = float(np.clip(n, counted.units, counted.trials))
    rarer = min(value, 1 - value)
    # The mean of 1 / units, once, and 1 / n, as often as there are effective errors.
    return (1 + rarer * n) / (1 / counted.units + rarer)


def rate_limits(value: float, resampled: Floats, counted: Trials) -> Interval:
    """The limits of a rate in [0, 1] that no interval of it may fall short of."""
    n = effective_trials(value, resampled, counted)
    return clopper_pearson(value * n, n)


def sum_limits(
    weights: Sequence[float], values: Sequence[float], limits: Sequence[Interval]
) -> Interval:
    """Limits of a weighted sum of rates from the limits of each; weights are not negative."""
    total = sum(w * v for w, v in zip(weights, values, strict=True))
    below, above = (
        math.sqrt(
            sum((w * (v - end[i])) ** 2 for w, v, end in zip(weights, values, limits, strict=True))
        )
        for i in (0, 1)
    )
    return Interval(total - below, total + above)


def hull(*intervals: Interval) -> Interval:
    """The shortest interval that holds all of them."""
    return Interval(min(i.low for i in intervals), max(i.high for i in intervals))


def within(interval: Interval, low: float, high: float) -> Interval:
    """An interval cut to what the number can be."""
    return Interval(max(interval.low, low), min(interval.high, high))


def percentile_interval(values: Floats, confidence: float = CONFIDENCE) -> Interval:
    """The central share `confidence` of the resamples (percentile method)."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high))


def standard_error(resamples: Floats, units: int) -> float:
    """Of a number in the resamples of so many units, at least two; 0 where it never varies.

    The resamples of n units vary too little, by sqrt((n - 1) / n), which is made good.
    """
    least, most = float(resamples.min()), float(resamples.max())
    if most - least < _ROUNDING:
        return 0.0
    # In shares of the range: squares of huge costs are larger than any number.
    shares = (resamples - least) / (most - least)
    return float(np.std(shares)) * (most - least) * math.sqrt(units / (units - 1))


def student_interval(value: float, resamples: Floats, units: int) -> Interval:
    """What Student's t says of the standard error in the resamples of so many units."""
    reach = float(stdtrit(units - 1, (1 + CONFIDENCE) / 2)) * standard_error(resamples, units)
    return Interval(value - reach, value + reach)


def highest_limits(values: Floats, resamples: Floats, units: int) -> Interval:
    """Limits of the highest of k rates, whichever it is.

    The highest of many values is too high by chance, and the highest of each resample is so once
    more. So the limits take the largest error of all k rates in each resample, as simultaneous
    confidence bands do: where none is farther off than that, neither is the highest. Resamples of
    few units vary too little, so errors count for more, see :func:`of_few`.

    Args:
        values: (k,) that were seen.
        resamples: (k, r), the same of r resamples.
        units: that are drawn, of the class that has fewer, at least two.
    """
    above, below = _farthest(values, resamples)
    highest, more = float(values.max()), of_few(units)
    return Interval(highest - more * _upper_end(above), highest + more * _upper_end(below))


def highest_difference_limits(
    values: Floats, resamples: Floats, others: Floats, other_resamples: Floats, units: int
) -> Interval:
    """The same of the highest of k rates less the highest of m others, on the same resamples.

    Args:
        values, resamples, units: (k,), (k, r) and a number, see :func:`highest_limits`.
        others, other_resamples: (m,) and (m, r).
    """
    above, below = _farthest(values, resamples)
    others_above, others_below = _farthest(others, other_resamples)
    difference, more = float(values.max() - others.max()), of_few(units)
    return Interval(
        difference - more * _upper_end(above + others_below),
        difference + more * _upper_end(below + others_above),
    )


def of_few(units: int) -> float:
    """By how much a quantile of what resamples of so many units are off is too small.

    What :func:`student_interval` reaches, as a multiple of what the normal distribution does
    without its correction for few units; 1 of very many.
    """
    t = float(stdtrit(units - 1, (1 + CONFIDENCE) / 2))
    return t / QUANTILE * math.sqrt(units / (units - 1))


def _farthest(values: Floats, resamples: Floats) -> tuple[Floats, Floats]:
    """How far any value of a resample is above what was seen, and how far any is below, (r,)."""
    errors = resamples - values[:, None]
    return errors.max(axis=0), -errors.min(axis=0)


def _upper_end(values: Floats) -> float:
    return float(np.quantile(values, (1 + CONFIDENCE) / 2))


def smallest_p(n: int) -> float | None:
    """The smallest p value that n trials or clusters (of the rarer class) can carry: 2^(1 - n).

    So likely are n coins to fall all alike, which is how likely n trials favour one side by chance.
    None below two: a single one shows nothing.
    """
    return 2.0 ** (1 - n) if n >= 2 else None


def smallest_corrected(floors: Sequence[float]) -> list[float]:
    """What each of m p values cannot be below after Holm's correction.

    The smallest one is multiplied by m, and none becomes smaller than that or than it was.

    Args:
        floors: (m,) what each cannot be below before.
    """
    least = len(floors) * min(floors, default=1.0)
    return [min(1.0, max(floor, least)) for floor in floors]
