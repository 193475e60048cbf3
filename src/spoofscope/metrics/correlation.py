"""Rank correlation, tests of it that respect ties and time, and corrections for many tests."""

import numpy as np
import numpy.typing as npt

from spoofscope.errors import SpoofscopeError
from spoofscope.selection.operating_points import Floats

# Correlations that are equal but for rounding count as equal in a test.
_ROUNDING = 1e-12


def average_ranks(values: npt.ArrayLike) -> Floats:
    """Ranks from 1 (n,); tied values share the mean of their ranks."""
    _, place, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2)[place]
    return ranks


def _standard_ranks(values: npt.ArrayLike) -> Floats | None:
    """Ranks with mean 0 and sum of squares 1; None where there are no two different values."""
    ranks = average_ranks(values)
    ranks -= (ranks.size + 1) / 2
    size = float(np.sqrt(np.sum(ranks**2)))
    return ranks / size if size > 0 else None


def spearman(x: npt.ArrayLike, y: npt.ArrayLike) -> float | None:
    """Spearman's rank correlation of two series (n,), in [-1, 1], ties at their mean rank.

    None where it is not defined: fewer than two values, or a constant series.
    """
    a, b = _standard_ranks(x), _standard_ranks(y)
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
    a, b = _standard_ranks(x), _standard_ranks(y)
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
    ranks = [_standard_ranks(column) for column in columns.T]
    target_ranks = _standard_ranks(target)
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


def benjamini_hochberg(p: npt.ArrayLike) -> Floats:
    """Benjamini and Hochberg's correction (n,): the expected share of false discoveries.

    Raises:
        SpoofscopeError: a value is not in [0, 1].
    """
    values = _p_values(p)
    order = np.argsort(values, kind="stable")[::-1]
    steps = values[order] * values.size / np.arange(values.size, 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum.accumulate(np.minimum(steps, 1.0))
    return adjusted


def mean_interval(
    values: npt.ArrayLike, resamples: int, rng: np.random.Generator
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of (n,) values, n >= 1."""
    sample = np.asarray(values, dtype=np.float64)
    means = sample[rng.integers(0, sample.size, (resamples, sample.size))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
