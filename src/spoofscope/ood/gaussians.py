"""Distances in units of the spread of the training vectors: Mahalanobis and SSD.

Lee et al., "A simple unified framework for detecting out-of-distribution samples and adversarial
attacks" (2018); Sehwag, Chiang and Mittal, "SSD: a unified framework for self-supervised outlier
detection" (2021). Covariances are shrunk towards a sphere (Ledoit and Wolf, "A well-conditioned
estimator for large-dimensional covariance matrices", 2004).
"""

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from spoofscope.errors import DetectorError
from spoofscope.ood.base import (
    Array,
    Classes,
    Fitted,
    Floats,
    OodDetector,
    Outputs,
    Singles,
    class_means,
    unit_rows,
)
from spoofscope.options import ood as options


class Mahalanobis(OodDetector[options.Mahalanobis]):
    """min_k (x - mu_k)' S^-1 (x - mu_k), with one covariance S within all classes.

    x are vectors with mean 0 and standard deviation 1 over train in each dimension, of length 1
    before where options say so.
    """

    options_type = options.Mahalanobis

    def _fit(self, train: Outputs, classes: Classes) -> dict[str, Array]:
        return _fitted(train, classes, self.options.shrinkage, self.options.unit_length)

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        return _distances(block, fitted, self.options.unit_length)


class Ssd(OodDetector[options.Ssd]):
    """(x - mu)' S^-1 (x - mu), with mean mu and covariance S of all training vectors, without ids.

    x as for :class:`Mahalanobis`.
    """

    options_type = options.Ssd

    def _fit(self, train: Outputs, classes: Classes) -> dict[str, Array]:
        one = np.zeros_like(classes)
        return _fitted(train, one, self.options.shrinkage, self.options.unit_length)

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        return _distances(block, fitted, self.options.unit_length)


def _fitted(
    train: Outputs, classes: Classes, shrinkage: float | None, unit_length: bool
) -> dict[str, Array]:
    values = _values(train.vectors, unit_length)
    centre, spread = values.mean(axis=0), values.std(axis=0)
    # What never varies in train has no unit of its own.
    spread[np.ptp(values, axis=0) == 0] = 1.0
    standard = (values - centre) / spread
    means = class_means(standard, classes)
    residuals = standard - means[np.unique(classes, return_inverse=True)[1]]
    covariance = _shrunk(residuals, shrinkage)
    try:
        factor = cholesky(covariance, lower=True)
    except LinAlgError as error:
        raise DetectorError(
            f"the training vectors do not vary in all of their {len(covariance)} dimensions, so "
            "that there is no unit for distances; set shrinkage to null or above 0"
        ) from error
    # With W = L^-1, distances are those of the vectors (x - centre) / spread W'.
    whitening = solve_triangular(factor, np.diag(1 / spread), lower=True).T
    return {
        "centre": centre,
        "whitening": np.ascontiguousarray(whitening),
        "means": np.ascontiguousarray(solve_triangular(factor, means.T, lower=True).T),
    }


def _values(vectors: Singles, unit_length: bool) -> Floats:
    return unit_rows(vectors) if unit_length else vectors.astype(np.float64)


def _shrunk(residuals: Floats, shrinkage: float | None) -> Floats:
    """(1 - w) S + w tr(S)/D I of vectors with mean 0, (n, D).

    Raises:
        DetectorError: all are 0.
    """
    n, d = residuals.shape
    covariance: Floats = residuals.T @ residuals / n
    size = float(np.trace(covariance)) / d
    if size == 0:
        raise DetectorError(
            "no two training clips of any class differ, so that there is no unit for distances; "
            "add clips, or take a detector without a covariance, such as knn"
        )
    if shrinkage is None:
        squares = float(np.sum(covariance**2))
        fourth = float(np.sum(np.einsum("nd,nd->n", residuals, residuals) ** 2))
        noise = (fourth / n - squares) / n
        signal = squares - d * size**2
        shrinkage = min(noise / signal, 1.0) if noise < signal else 1.0
    return (1 - shrinkage) * covariance + shrinkage * size * np.eye(d)


def _distances(block: Outputs, fitted: Fitted, unit_length: bool) -> Floats:
    """Squared distance to the nearest mean, (n,)."""
    values = (_values(block.vectors, unit_length) - fitted["centre"]) @ fitted["whitening"]
    means = fitted["means"]
    # |v - m|^2 = |v|^2 + |m|^2 - 2 v.m finds the nearest mean by one product. Its distance is that
    # of the difference: the sum would lose the digits of a small one.
    nearest = np.argmin(np.einsum("kd,kd->k", means, means) - 2 * (values @ means.T), axis=1)
    away = values - means[nearest]
    distances: Floats = np.einsum("nd,nd->n", away, away)
    return distances
