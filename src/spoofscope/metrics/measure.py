"""Metrics of a set of trials: their values, and intervals that are never narrower than they can be.

An interval is the central 95 % of the resamples (`metrics.bootstrap`), widened to the limits of
`metrics.limits` where it falls short of them.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from spoofscope.metrics import bootstrap, information, rates, tdcf
from spoofscope.metrics.bootstrap import OfResampled, Resampled, Sample
from spoofscope.metrics.limits import (
    Interval,
    clopper_pearson,
    hull,
    percentile_interval,
    rate_limits,
    standard_error,
    sum_limits,
    within,
)
from spoofscope.metrics.rates import C_FA, C_MISS, P_SPOOF, Floats
from spoofscope.selection.operating_points import normalised_cost

_ROUNDING = 1e-12


class Cost(NamedTuple):
    """A metric that is floor + miss P_miss + fa P_fa at a threshold.

    threshold: from bona fide and spoof scores. largest: what the metric can be at most.
    """

    floor: float
    miss: float
    fa: float
    threshold: Callable[[Floats, Floats], float]
    largest: float = math.inf


class Metric(NamedTuple):
    """A number of all bona fide and all spoof scores of a set of trials.

    title: column heading where people read it. of: from bona fide scores and spoof scores.
    resampled: the same of resamples; where it is None, `of` is computed for each resample, which
    takes as much longer. counted: for a rate in [0, 1] the class that decides it, `bonafide`,
    `spoof`, `rarer` or `all`, see `metrics.limits`. cost: for a cost, what it is made of. error:
    for Cllr and its minimum, the standard error as of independent trials. needs: the classes
    without which it has no value.
    """

    title: str
    of: Callable[[Floats, Floats], float]
    resampled: OfResampled | None = None
    counted: str | None = None
    cost: Cost | None = None
    error: Callable[[Floats, Floats], float] | None = None
    needs: tuple[str, ...] = ("bonafide", "spoof")


class Measured(NamedTuple):
    """A metric: value, 95 % interval, and its resamples (n,), not a number where it has none.

    All are None where there is none: no value where a class is missing; no interval and no
    resamples where none are asked for, or there are fewer than two units (clusters, or trials) of a
    class that it needs; no interval where all resamples are the same and no limit is known.
    """

    value: float | None
    interval: Interval | None = None
    resamples: Floats | None = None


def _dcf(threshold: Callable[[Floats, Floats], float], largest: float = math.inf) -> Cost:
    one, zero = np.ones(1), np.zeros(1)
    miss, fa = (
        float(normalised_cost(*errors, P_SPOOF, C_MISS, C_FA)[0])
        for errors in ((one, zero), (zero, one))
    )
    return Cost(0.0, miss, fa, threshold, largest)


def _cheapest(miss: float, fa: float) -> Callable[[Floats, Floats], float]:
    """The threshold at which miss P_miss + fa P_fa is lowest."""

    def threshold(bonafide: Floats, spoof: Floats) -> float:
        curve = rates.det_curve(bonafide, spoof)
        return float(curve.thresholds[np.argmin(miss * curve.p_miss + fa * curve.p_fa)])

    return threshold


def _at(cost: Cost, threshold: float) -> OfResampled:
    """A cost of resamples at a fixed threshold."""
    return lambda resampled: (
        cost.floor
        + cost.miss * resampled.bonafide_rejected(threshold)
        + cost.fa * resampled.spoof_accepted(threshold)
    )


def _cllr(resampled: Resampled) -> Floats:
    missed = bootstrap.mean(resampled.bonafide, information.losses(-resampled.scores))
    return missed / 2 + bootstrap.mean(resampled.spoof, information.losses(resampled.scores)) / 2


_ACT_DCF = _dcf(lambda bonafide, spoof: rates.bayes_threshold())

METRICS: dict[str, Metric] = {
    "eer": Metric(
        "EER", lambda bonafide, spoof: rates.eer(bonafide, spoof).value, bootstrap.eer, "rarer"
    ),
    "min_dcf": Metric(
        "minDCF",
        rates.min_dcf,
        bootstrap.min_dcf,
        cost=_dcf(_cheapest(_ACT_DCF.miss, _ACT_DCF.fa), largest=1.0),
    ),
    "act_dcf": Metric(
        "actDCF", rates.act_dcf, _at(_ACT_DCF, rates.bayes_threshold()), cost=_ACT_DCF
    ),
    "cllr": Metric("Cllr", information.cllr, _cllr, error=information.cllr_error),
    "min_cllr": Metric(
        "min Cllr", information.min_cllr, bootstrap.min_cllr, error=information.min_cllr_error
    ),
    "auc": Metric("AUC", rates.auc, bootstrap.auc, "rarer"),
}
"""Those of every set of trials, by their name in tables."""


def threshold_metrics(threshold: float) -> dict[str, Metric]:
    """Rates at a threshold that was chosen elsewhere."""

    def hter(resampled: Resampled) -> Floats:
        errors = resampled.bonafide_rejected(threshold) + resampled.spoof_accepted(threshold)
        return errors / 2

    def wrong(resampled: Resampled) -> tuple[Floats, Floats, Floats, Floats]:
        n_bonafide, n_spoof = resampled.bonafide.sum(axis=1), resampled.spoof.sum(axis=1)
        return (
            resampled.bonafide_rejected(threshold) * n_bonafide,
            resampled.spoof_accepted(threshold) * n_spoof,
            n_bonafide,
            n_spoof,
        )

    def accuracy(resampled: Resampled) -> Floats:
        rejected, accepted, n_bonafide, n_spoof = wrong(resampled)
        return 1 - (rejected + accepted) / (n_bonafide + n_spoof)

    def f1(resampled: Resampled) -> Floats:
        rejected, accepted, _, n_spoof = wrong(resampled)
        spoofs_found = n_spoof - accepted
        return 2 * spoofs_found / (n_spoof + spoofs_found + rejected)

    return {
        "bonafide_rejected": Metric(
            "bona fide rejected",
            lambda bonafide, _: rates.bonafide_rejected(bonafide, threshold),
            lambda resampled: resampled.bonafide_rejected(threshold),
            "bonafide",
            needs=("bonafide",),
        ),
        "spoof_accepted": Metric(
            "spoof accepted",
            lambda _, spoof: rates.spoof_accepted(spoof, threshold),
            lambda resampled: resampled.spoof_accepted(threshold),
            "spoof",
            needs=("spoof",),
        ),
        "hter": Metric(
            "HTER",
            lambda bonafide, spoof: rates.error_rates(bonafide, spoof, threshold).hter,
            hter,
            "rarer",
        ),
        "accuracy": Metric(
            "accuracy",
            lambda bonafide, spoof: rates.accuracy(bonafide, spoof, threshold),
            accuracy,
            "all",
        ),
        "f1": Metric(
            "F1", lambda bonafide, spoof: rates.f1(bonafide, spoof, threshold), f1, "rarer"
        ),
    }


def tandem_metrics(tandem: tdcf.Tandem) -> dict[str, Metric]:
    """Costs in front of a speaker verifier."""
    floor, miss, fa = (part / tandem.default for part in tandem)
    bayes = math.log(tandem.fa / tandem.miss)
    lowest = Cost(floor, miss, fa, _cheapest(miss, fa), largest=1.0)
    actual = Cost(floor, miss, fa, lambda bonafide, spoof: bayes)
    return {
        "min_tdcf": Metric(
            "min t-DCF",
            lambda bonafide, spoof: tdcf.min_tdcf(bonafide, spoof, tandem),
            lambda resampled: (floor + miss * resampled.p_miss() + fa * resampled.p_fa()).min(
                axis=1
            ),
            cost=lowest,
        ),
        "act_tdcf": Metric(
            "act t-DCF",
            lambda bonafide, spoof: tdcf.act_tdcf(bonafide, spoof, tandem),
            _at(actual, bayes),
            cost=actual,
        ),
    }


def measure(
    bonafide: Floats,
    spoof: Floats,
    metrics: Mapping[str, Metric],
    units: tuple[bootstrap.Counts, bootstrap.Counts] | None = None,
    draws: bootstrap.Draws | None = None,
) -> dict[str, Measured]:
    """Metrics of a set of trials, with their intervals.

    Args:
        bonafide, spoof: scores; a class may be empty.
        metrics: by name.
        units: the unit of each trial of the classes, as in `draws.units`.
        draws: the resamples of the table that the trials are from; None makes no intervals.

    Raises:
        SpoofscopeError: a score is not finite.
    """
    there = {"bonafide": bonafide.size > 0, "spoof": spoof.size > 0}
    values = {
        name: metric.of(bonafide, spoof) if all(there[each] for each in metric.needs) else None
        for name, metric in metrics.items()
    }
    measured = {name: Measured(value) for name, value in values.items()}
    if draws is None or units is None:
        return measured
    thresholds = {
        name: metric.cost.threshold(bonafide, spoof)
        for name, metric in metrics.items()
        if metric.cost is not None and values[name] is not None
    }
    sample = Sample(bonafide, spoof, units, draws, list(thresholds.values()))
    known = [
        name
        for name, metric in metrics.items()
        if values[name] is not None
        and all(sample.counted[each].units >= 2 for each in metric.needs)
    ]
    # The rates that a cost is made of are resampled with it.
    forms: list[OfResampled] = []
    observed: list[float] = []
    for name in known:
        metric = metrics[name]
        forms.append(metric.resampled or bootstrap.repeated(metric.of))
        observed.append(float(values[name] or 0.0))
        if metric.cost is not None:
            at = thresholds[name]
            forms += [_rejected(at), _accepted(at)]
            error_rates = rates.error_rates(bonafide, spoof, at)
            observed += [error_rates.bonafide_rejected, error_rates.spoof_accepted]
    resamples = iter(zip(sample.values(forms, observed), observed, strict=True))
    for name in known:
        resampled_values, value = next(resamples)
        errors = [next(resamples) for _ in range(2 * (metrics[name].cost is not None))]
        interval = _interval(metrics[name], value, resampled_values, errors, sample)
        measured[name] = Measured(value, interval, resampled_values)
    return measured


def _rejected(threshold: float) -> OfResampled:
    return lambda resampled: resampled.bonafide_rejected(threshold)


def _accepted(threshold: float) -> OfResampled:
    return lambda resampled: resampled.spoof_accepted(threshold)


def _defined(resamples: Floats) -> Floats:
    return resamples[np.isfinite(resamples)]


def _interval(
    metric: Metric,
    value: float,
    resamples: Floats,
    errors: Sequence[tuple[Floats, float]],
    sample: Sample,
) -> Interval | None:
    """95 % of the resamples, widened to the limits; `errors` are a cost's two rates, resampled."""
    drawn = _defined(resamples)
    if drawn.size == 0:
        return None
    # The minimum over thresholds, or over calibrations, of few trials is lower in most resamples.
    interval = hull(percentile_interval(drawn), Interval(value, value))
    if metric.counted is not None:
        interval = hull(interval, rate_limits(value, drawn, sample.counted[metric.counted]))
    elif metric.cost is not None:
        cost = metric.cost
        limits = [
            rate_limits(rate, _defined(of_rate), sample.counted[name])
            for (of_rate, rate), name in zip(errors, ("bonafide", "spoof"), strict=True)
        ]
        low, high = sum_limits((cost.miss, cost.fa), [rate for _, rate in errors], limits)
        far = Interval(cost.floor + low, cost.floor + high)
        interval = within(hull(interval, far), cost.floor, cost.largest)
    elif metric.error is not None:
        units = sample.counted["rarer"].units
        independent = metric.error(sample.bonafide, sample.spoof)
        error = float(stdtrit(units - 1, 0.975)) * max(independent, standard_error(drawn, units))
        far = Interval(max(0.0, value - error), value + error)
        interval = hull(interval, far, _bits_limits(value, sample))
        if metric is METRICS["min_cllr"]:
            interval = within(interval, 0.0, 1.0)
    # Resamples of trials that all cost the same differ by rounding. Costs in bits of scores near
    # the largest number are beyond it.
    alike = math.isclose(interval.low, interval.high, rel_tol=_ROUNDING)
    if alike or not math.isfinite(interval.high):
        return None
    return interval


def _bits_limits(value: float, sample: Sample) -> Interval:
    """Limits of Cllr and its minimum where a threshold separates the classes without error.

    As many trials of the class that decides may be on the other side as the binomial allows; no
    calibration can make up for these.
    """
    bonafide, spoof = sample.bonafide, sample.spoof
    other = clopper_pearson(0, sample.counted["rarer"].units).high
    if bonafide.min() > spoof.max():
        bits = information.min_cllr_of_shares(np.array([other, 1 - other]), np.array([1.0, 0.0]))
        return Interval(value, max(value, bits))
    if bonafide.max() < spoof.min():
        shares = np.array([1 - other, 0.0, other]), np.array([0.0, 1.0, 0.0])
        return Interval(min(value, information.min_cllr_of_shares(*shares)), value)
    return Interval(value, value)


def mean_of(parts: Sequence[Measured]) -> Measured:
    """The mean of a metric over sets of trials of one table, those of no value left out.

    Its interval is that of the mean of the same resamples, which knows what the sets share, and at
    least the limits that follow from theirs (`limits.sum_limits`). There is none where one of them
    has none. Sets whose resamples are all the same, such as those without an error, may all owe it
    to the same trials: what limits them adds up as it is.
    """
    known = [part for part in parts if part.value is not None]
    if not known:
        return Measured(None)
    values = [part.value for part in known if part.value is not None]
    value = float(np.mean(values))
    intervals = [part.interval for part in known if part.interval is not None]
    drawn = [part.resamples for part in known if part.resamples is not None]
    if len(intervals) < len(known):
        return Measured(value)
    table = np.stack(drawn)
    defined = np.isfinite(table)
    total = np.where(defined, table, 0.0).sum(axis=0)
    with np.errstate(invalid="ignore"):
        resamples = total / defined.sum(axis=0)
    weights = np.full(len(values), 1 / len(values))
    still = np.array([np.ptp(_defined(of_part)) == 0 for of_part in drawn])
    alike = Interval(*(weights[still] @ np.array(intervals)[still]).tolist())
    limits = sum_limits(
        [1.0, *weights[~still].tolist()],
        [float(weights[still] @ np.array(values)[still]), *np.array(values)[~still].tolist()],
        [alike, *itertools.compress(intervals, ~still)],
    )
    interval = hull(percentile_interval(_defined(resamples)), Interval(value, value), limits)
    return Measured(value, interval, resamples)
