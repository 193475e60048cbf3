"""Rank correlation, tests of it that respect ties and time, and corrections for many tests."""

import numpy as np
import numpy.typing as npt

from spoofscope.errors import SpoofscopeError
from spoofscope.metrics.limits import (
    LEAST_CLIPS,
    QUANTILE,
    Interval,
    Trials,
    hull,
    percentile_interval,
    rate_limits,
)
from spoofscope.selection.operating_points import Floats

# Correlations that are equal but for rounding count as equal in a test.
_ROUNDING = 1e-12
# Correlations of +-1 have no finite Fisher transform.
_LARGEST = 1 - 1e-9


def standard_ranks(values: npt.ArrayLike) -> Floats | None:
    """Ranks with mean 0 and sum of squares 1; None where there are no two different values."""
    from scipy.stats import rankdata

    ranks: Floats = rankdata(np.asarray(values))
    ranks -= (ranks.size + 1) / 2
    size = float(np.sqrt(np.sum(ranks**2)))
    return ranks / size if size > 0 else None


def spearman(x: npt.ArrayLike, y: npt.ArrayLike) -> float | None:
    """Spearman's rank correlation of two series (n,), in [-1, 1], ties at their mean rank.

    None where it is not defined: fewer than two values, or a constant series.
    """
    a, b = standard_ranks(x), standard_ranks(y)
    return None if a is None or b is None else float(np.clip(a @ b, -1.0, 1.0))


def circular_correlations(x: npt.ArrayLike, y: npt.ArrayLike) -> Floats | None:
    """Spearman correlation of x with y shifted circularly by 0, 1, ... n - 1 steps.

    Two series that change slowly correlate by chance far more often than their length suggests. A
    circular shift keeps all of their inner structure and breaks only the alignment, so the n values
    are the null distribution of the first one.

    Args:
        x: (n,) series.
        y: (n,) series on the same time axis.

    Returns:
        (n,) correlations, the unshifted one first; None where they are not defined.
    """
    a, b = standard_ranks(x), standard_ranks(y)
    if a is None or b is None:
        return None
    spectrum = np.fft.rfft(a) * np.conj(np.fft.rfft(b))
    return np.clip(np.fft.irfft(spectrum, n=a.size), -1.0, 1.0)


def two_sided_p(observed: float, null: npt.ArrayLike) -> float:
    """Share of null values at least as far from 0 as the observed one, itself counted as one.

    (1 + number) / (1 + size): never 0, and exact where the null values are random draws (Phipson
    and Smyth, 2010).
    """
    null = np.asarray(null, dtype=np.float64)
    return float((1 + np.sum(np.abs(null) >= abs(observed) - _ROUNDING)) / (1 + null.size))


def permutation_spearman(
    columns: Floats, target: npt.ArrayLike, permutations: int, rng: np.random.Generator
) -> list[tuple[float, float] | None]:
    """Spearman correlation of each column with a target, and its two-sided permutation p.

    Args:
        columns: (n, m), each column a variable.
        target: (n,).
        permutations: random permutations of the target, the same ones for all columns.
        rng: where they come from.

    Returns:
        For each column (rho, p), or None where the correlation is not defined.
    """
    ranks = [standard_ranks(column) for column in columns.T]
    target_ranks = standard_ranks(target)
    defined = [i for i, rank in enumerate(ranks) if rank is not None]
    if target_ranks is None or not defined:
        return [None] * len(ranks)
    matrix = np.stack([rank for rank in ranks if rank is not None])
    observed = matrix @ target_ranks
    exceeded = np.zeros(len(defined), dtype=np.int64)
    for _ in range(permutations):
        exceeded += np.abs(matrix @ rng.permutation(target_ranks)) >= np.abs(observed) - _ROUNDING
    results: list[tuple[float, float] | None] = [None] * len(ranks)
    for i, rho, count in zip(defined, observed, exceeded, strict=True):
        results[i] = (float(np.clip(rho, -1.0, 1.0)), float((1 + count) / (1 + permutations)))
    return results


def _p_values(p: npt.ArrayLike) -> Floats:
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not np.all((values >= 0) & (values <= 1)):
        raise SpoofscopeError("p values: expected a list of numbers in [0, 1]")
    return values


def holm(p: npt.ArrayLike) -> Floats:
    """Holm's correction (n,): the chance of any false discovery among n tests stays below alpha.

    Raises:
        SpoofscopeError: a value is not in [0, 1].
    """
    values = _p_values(p)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(values.size, 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def mean_interval(
    values: npt.ArrayLike,
    resamples: int,
    rng: np.random.Generator,
    clusters: npt.ArrayLike | None = None,
    *,
    share: bool = False,
) -> Interval | None:
    """95 % percentile bootstrap interval of the mean of values, one for each clip.

    None where there are fewer than `limits.LEAST_CLIPS` clips, or clusters where these are given:
    the bootstrap of so few is little more than their smallest and largest value. None, too, where
    all resamples are the same and nothing limits the values.

    Args:
        values: (n,).
        resamples: how many; 0 makes no interval.
        rng: where they come from.
        clusters: (n,) what is drawn as a whole, such as the speaker; None draws clips.
        share: the values lie in [0, 1]. Then the interval holds, where each is 0 or 1 or all
            resamples are the same, the limits of `metrics.limits`.
    """
    sample = np.asarray(values, dtype=np.float64)
    names = np.arange(sample.size) if clusters is None else np.asarray(clusters)
    distinct, unit = np.unique(names, return_inverse=True)
    n = distinct.size
    if n < LEAST_CLIPS or not resamples:
        return None
    sums = np.bincount(unit, sample, n)
    sizes = np.bincount(unit, minlength=n)
    drawn = rng.integers(0, n, (resamples, n))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    interval = percentile_interval(means)
    same = np.ptp(means) < _ROUNDING
    if share and (same or bool(np.isin(sample, (0.0, 1.0)).all())):
        limits = rate_limits(float(sample.mean()), means, Trials(n, sample.size))
        return hull(interval, limits)
    return None if same else interval


def spearman_interval(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    resamples: int,
    rng: np.random.Generator,
    clusters: npt.ArrayLike | None = None,
) -> Interval | None:
    """95 % interval of Spearman's correlation of two series, a value of each for each clip.

    After Bonett and Wright, "Sample size requirements for estimating Pearson, Kendall and Spearman
    correlations" (2000). Where clusters are drawn it also holds 95 % of the resamples, in which
    every clip keeps its rank.

    Args:
        x, y: (n,).
        resamples: of clusters; 0 makes no interval.
        rng: where they come from.
        clusters: (n,) what is drawn as a whole; None takes clips for independent.

    Returns:
        None where the correlation is not defined, or there are fewer than `limits.LEAST_CLIPS`
        clips, or clusters where these are given.
    """
    from scipy.stats import rankdata

    rho = spearman(x, y)
    n = np.asarray(x).size
    units = n if clusters is None else np.unique(np.asarray(clusters)).size
    if rho is None or units < LEAST_CLIPS or not resamples:
        return None
    z = np.arctanh(np.clip(rho, -_LARGEST, _LARGEST))
    width = QUANTILE * np.sqrt((1 + rho**2 / 2) / (n - 3))
    interval = Interval(float(np.tanh(z - width)), float(np.tanh(z + width)))
    if clusters is None:
        return interval
    unit = np.unique(np.asarray(clusters), return_inverse=True)[1]
    a, b = rankdata(np.asarray(x)), rankdata(np.asarray(y))
    a, b = a - a.mean(), b - b.mean()
    parts = [np.bincount(unit, each, units) for each in (np.ones(n), a, b, a * b, a * a, b * b)]
    drawn = rng.integers(0, units, (resamples, units))
    size, sum_a, sum_b, ab, aa, bb = (part[drawn].sum(axis=1) for part in parts)
    with np.errstate(invalid="ignore", divide="ignore"):
        rhos = (ab - sum_a * sum_b / size) / np.sqrt(
            (aa - sum_a**2 / size) * (bb - sum_b**2 / size)
        )
    defined = np.clip(rhos[np.isfinite(rhos)], -1.0, 1.0)
    return hull(interval, percentile_interval(defined)) if defined.size else interval
