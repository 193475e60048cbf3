"""Distances to the nearest training clips.

Sun et al., "Out-of-distribution detection with deep nearest neighbors" (2022); the mean distance as
in Stan et al., "TADA: training-free attribution and out-of-domain detection of audio deepfakes"
(2025). Distances are 1 - cosine, in [0, 2]; worked out in single precision.
"""

import numpy as np

from spoofscope.ood.base import (
    Array,
    Classes,
    Fitted,
    Floats,
    OodDetector,
    Outputs,
    check_neighbours,
    largest,
    unit_rows,
)
from spoofscope.options import ood as options


class Knn(OodDetector[options.Knn]):
    """1 - the k-th largest cosine with a training clip."""

    options_type = options.Knn

    def _fit(self, train: Outputs, classes: Classes) -> dict[str, Array]:
        return _directions(train, self.options.k)

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        return 1 - _largest(block, fitted, self.options.k)[:, 0]


class KnnMean(OodDetector[options.KnnMean]):
    """1 - the mean of the k largest cosines with training clips."""

    options_type = options.KnnMean

    def _fit(self, train: Outputs, classes: Classes) -> dict[str, Array]:
        return _directions(train, self.options.k)

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        mean: Floats = 1 - _largest(block, fitted, self.options.k).mean(axis=1)
        return mean


def _directions(train: Outputs, k: int) -> dict[str, Array]:
    check_neighbours(k, len(train))
    return {"directions": unit_rows(train.vectors).astype(np.float32)}


def _largest(block: Outputs, fitted: Fitted, k: int) -> Floats:
    """The k largest cosines of each clip, (n, k), ascending."""
    cosines = unit_rows(block.vectors).astype(np.float32) @ fitted["directions"].T
    return np.clip(largest(cosines, k), -1.0, 1.0)
