"""Virtual-logit matching (ViM): Wang et al., "ViM: out-of-distribution with virtual-logit matching"
(2022).
"""

import numpy as np

from spoofscope.errors import DetectorError
from spoofscope.ood.base import (
    Array,
    Classes,
    Fitted,
    Floats,
    OodDetector,
    Outputs,
    log_sum_exp,
)
from spoofscope.options import ood as options

# What is left over of vectors that lie in the main directions is rounding.
_ROUNDING = 1e-10


class Vim(OodDetector[options.Vim]):
    """alpha |(f - u) R| - LSE(z).

    u is the mean of the training vectors, R the directions of least variance, and alpha makes the
    first term, over train, as large as the largest logit. At least one direction is in R, whatever
    the number of dimensions.

    Where the largest logits of train are not above 0 on average, as those of the nearest training
    clips, which are log-probabilities, they are counted from the mean logit.
    """

    options_type = options.Vim

    def _fit(self, train: Outputs, classes: Classes) -> dict[str, Array]:
        vectors = train.vectors.astype(np.float64)
        mean = vectors.mean(axis=0)
        vectors -= mean
        variances, directions = np.linalg.eigh(vectors.T @ vectors / len(vectors))
        rank = self._rank(variances[::-1])
        rest = np.ascontiguousarray(directions[:, : len(directions) - rank])
        size = float(np.linalg.norm(vectors @ rest, axis=1).mean())
        if size <= _ROUNDING * np.sqrt(max(float(variances.sum()), 0.0)):
            raise DetectorError(
                f"the training vectors lie in the {rank} main directions of ViM altogether; set a "
                "lower rank or explained_variance"
            )
        largest = float(train.logits.max(axis=1).mean(dtype=np.float64))
        if largest <= 0:
            largest -= float(train.logits.mean(dtype=np.float64))
        if largest <= 0:
            raise DetectorError(
                "all logits of train are alike and not above 0, and ViM scales by the largest one; "
                "take mahalanobis or knn"
            )
        return {"mean": mean, "rest": rest, "alpha": np.array([largest / size])}

    def _rank(self, variances: Floats) -> int:
        """Number of main directions, from 1 to D - 1, of descending variances (D,)."""
        d = variances.size
        if self.options.rank is not None:
            if self.options.rank >= d:
                raise DetectorError(
                    f"ViM: rank {self.options.rank} leaves none of {d} dimensions; set it to "
                    f"{d - 1} or less, or to null"
                )
            return self.options.rank
        if d == 1:
            raise DetectorError("ViM needs vectors of at least two dimensions, not of one")
        shares = np.cumsum(variances) / variances.sum() if variances.sum() > 0 else np.ones(d)
        return min(int(np.searchsorted(shares, self.options.explained_variance)) + 1, d - 1)

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        rest = (block.vectors.astype(np.float64) - fitted["mean"]) @ fitted["rest"]
        return fitted["alpha"][0] * np.linalg.norm(rest, axis=1) - log_sum_exp(block.logits)
