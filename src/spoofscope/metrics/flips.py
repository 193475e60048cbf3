"""Tests that take a speaker, not a clip, as the unit: the signs of whole clusters are flipped.

Clips of one speaker are alike, so a test that takes them for independent finds far too many
effects. Without an effect, the contribution of each cluster to a statistic has either sign with
equal probability. So p is the share of all 2^k sign flips of k clusters that give a statistic at
least as far from 0 as the observed one (Hemerik, Goeman and Finos, "Robust testing in
generalized linear models by sign flipping score contributions", 2020). It is at least 2^(1 - k).

For correlations, and for the rank sum (which is the correlation with the label), a cluster adds
the products of its clips' centred ranks. For McNemar's test it adds how many clips only the first
system gets right, less those that only the second does (Durkalski, Palesch, Lipsitz and Rust,
"Analysis of clustered matched-pair data", 2003, whose test is that of many clusters).
"""

import math

import numpy as np
import numpy.typing as npt

from spoofscope.metrics.correlation import standard_ranks
from spoofscope.selection.operating_points import Floats

LISTED = 16
"""Most clusters for which all flips are enumerated; beyond, the sum is taken for normal."""

# Sums that are equal but for rounding count as equal.
_ROUNDING = 1e-12


def flipped_spearman(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    clusters: npt.ArrayLike,
    strata: npt.ArrayLike | None = None,
) -> tuple[float, float] | None:
    """Spearman's correlation of two series, and the two-sided p of its being 0.

    Args:
        x, y: (n,); where one is the label, the other's rank sum is tested.
        clusters: (n,) name of the cluster of each clip.
        strata: (n,) names of strata that values are ranked within, see
            `metrics.correlation.spearman`.

    Returns:
        (rho, p), or None where the correlation is not defined.
    """
    a, b = standard_ranks(x, strata), standard_ranks(y, strata)
    if a is None or b is None:
        return None
    unit = np.unique(np.asarray(clusters), return_inverse=True)[1]
    parts: Floats = np.bincount(unit, a * b).astype(np.float64)
    return float(np.clip(parts.sum(), -1.0, 1.0)), _sum_p(parts)


def _sum_p(parts: Floats) -> float:
    parts = parts[np.abs(parts) > _ROUNDING]
    observed = abs(float(parts.sum()))
    if parts.size > LISTED:
        return math.erfc(observed / math.sqrt(2 * float(np.sum(parts**2))))
    # A flip of all gives the same distance, so the first one may keep its sign.
    sums = parts[:1]
    for part in parts[1:]:
        sums = np.concatenate([sums + part, sums - part])
    return float(np.mean(np.abs(sums) >= observed - _ROUNDING)) if sums.size else 1.0


def mcnemar_p(differences: npt.ArrayLike) -> float:
    """Exact two-sided p of McNemar's test by flips of clusters.

    Args:
        differences: (k,) per cluster, how many clips only the first system gets right less how many
            only the second one does; whole numbers. With a clip per cluster this is the exact test
            of McNemar.
    """
    sizes, counts = np.unique(np.abs(np.asarray(differences, dtype=np.int64)), return_counts=True)
    observed = abs(int(np.sum(differences)))
    # The sum's distribution is the inverse Fourier transform of its characteristic function.
    length = 2 * int(np.sum(sizes * counts)) + 1
    angles = 2 * np.pi * np.arange(length // 2 + 1) / length
    transform = np.ones(angles.size)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        transform *= np.cos(angles * size) ** count
    chances = np.fft.irfft(transform, n=length)
    # Sums from 0 to the largest, then those below 0.
    sums = np.abs(np.fft.fftfreq(length, 1 / length).round())
    return float(np.clip(chances[sums >= observed].sum(), 0.0, 1.0))


def flipped_mean(values: npt.ArrayLike, clusters: npt.ArrayLike) -> float:
    """Two-sided p of a mean of 0, by flips of clusters.

    Args:
        values: (n,) such as differences, symmetric around 0 without an effect.
        clusters: (n,) name of the cluster of each value.
    """
    unit = np.unique(np.asarray(clusters), return_inverse=True)[1]
    parts: Floats = np.bincount(unit, np.asarray(values, dtype=np.float64)).astype(np.float64)
    return _sum_p(parts)
