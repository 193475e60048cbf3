"""The numbers of a validation and their intervals again: NumPy, SciPy and scikit-learn alone.

What is drawn is defined by a seed, and so the same here. All else follows the words of
`docs/cases.md`, `metrics.limits` and Vergeer et al. (2016), and not the code.
"""

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, t
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_curve

from spoofscope.identity import rng_of

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

RESAMPLES = 1000


def weights_of_resamples(speakers: list[str], is_bonafide: Flags) -> Floats:
    """(1000, n): how often each trial is drawn, with all others of its speaker."""
    names = sorted(set(speakers))
    of_trial = np.array([names.index(name) for name in speakers])
    rng = rng_of(1, "bootstrap")
    rows = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(len(names), size=len(names))
        rows.append(np.bincount(drawn, minlength=len(names))[of_trial])
    weights = np.array(rows, dtype=float)
    both = (weights[:, is_bonafide].sum(1) > 0) & (weights[:, ~is_bonafide].sum(1) > 0)
    assert both.all(), "a resample lacks a class and would be drawn again"
    return weights


def eer(is_bonafide: Flags, score: Floats, weight: Floats) -> float:
    """Where the straight lines between the points of the ROC curve meet equal errors."""
    accepted, kept, _ = roc_curve(is_bonafide, score, sample_weight=weight, drop_intermediate=False)
    return float(np.interp(0, accepted - (1 - kept), accepted))


def cllr(is_bonafide: Flags, llr: Floats, weight: Floats) -> float:
    losses = np.log2(1 + np.exp(np.where(is_bonafide, -llr, llr)))
    return (
        sum(float(np.average(losses[of], weights=weight[of])) for of in (is_bonafide, ~is_bonafide))
        / 2
    )


def calibrated_losses(is_bonafide: Flags, score: Floats, weight: Floats) -> Floats:
    """Bits of each trial after the best monotonic calibration, both classes weighted alike."""
    share = np.zeros(score.size)
    for of in (is_bonafide, ~is_bonafide):
        share[of] = weight[of] / weight[of].sum()
    drawn = share > 0
    fitted = IsotonicRegression().fit(score[drawn], is_bonafide[drawn], sample_weight=share[drawn])
    posterior = np.where(is_bonafide, fitted.predict(score), 1 - fitted.predict(score))
    with np.errstate(divide="ignore"):
        return np.where(drawn, -np.log2(posterior), 0.0)


def min_cllr(is_bonafide: Flags, score: Floats, weight: Floats) -> float:
    losses = calibrated_losses(is_bonafide, score, weight)
    return (
        sum(float(np.average(losses[of], weights=weight[of])) for of in (is_bonafide, ~is_bonafide))
        / 2
    )


def clopper_pearson(errors: float, trials: float) -> tuple[float, float]:
    low = beta.ppf(0.025, errors, trials - errors + 1) if errors > 0 else 0.0
    high = beta.ppf(0.975, errors + 1, trials - errors) if errors < trials else 1.0
    return float(low), float(high)


def rate_interval(
    value: float, resampled: Floats, trials: int, speakers: int
) -> tuple[float, float]:
    """95 % of the resamples, and at least the exact binomial interval of the effective trials."""
    low, high = np.quantile(resampled, [0.025, 0.975])
    variance = float(np.var(resampled))
    effective = float(speakers)
    if variance > 0 and 0 < value < 1:
        students = t.ppf(0.975, trials - 1) / t.ppf(0.975, speakers - 1)
        by_variance = min(max(value * (1 - value) / variance * students**2, speakers), trials)
        errors = min(value, 1 - value) * by_variance
        effective = (1 + errors) / (1 / speakers + errors / by_variance)
    exact = clopper_pearson(value * effective, effective)
    return min(low, value, exact[0]), max(high, value, exact[1])


def bits_interval(
    value: float, resampled: Floats, independent: float, speakers: int
) -> tuple[float, float]:
    """95 % of the resamples, and at least Student's t for so many speakers."""
    low, high = np.quantile(resampled, [0.025, 0.975])
    spread = float(np.std(resampled)) * math.sqrt(speakers / (speakers - 1))
    far = float(t.ppf(0.975, speakers - 1)) * max(independent, spread)
    return max(0.0, min(low, value - far)), max(high, value + far)


def standard_error(is_bonafide: Flags, losses: Floats) -> float:
    """Of the mean of the classes' mean losses, as of independent trials."""
    of_classes = losses[is_bonafide], losses[~is_bonafide]
    return math.sqrt(sum(float(np.var(each)) / each.size for each in of_classes)) / 2


def resampled(
    metric: Callable[[Flags, Floats, Floats], float],
    is_bonafide: Flags,
    values: Floats,
    weights: Floats,
) -> Floats:
    return np.array([metric(is_bonafide, values, weight) for weight in weights])


def supported(is_bonafide: Flags, llr: Floats) -> tuple[float, float]:
    """ELUB, natural logarithms: from 1 on to where the expected loss of a threshold exceeds that of
    nobody, with one misleading trial added to each class. In fractions.
    """

    def largest(own: Floats, other: Floats) -> float:
        # Between two ratios the shares stay; the loss grows with the threshold.
        ends = [*sorted({float(each) for each in (*own, *other) if each > 0}), math.inf]
        start = 0.0
        for end in ends:
            missed = Fraction(int(np.sum(own <= start)) + 1, own.size + 1)
            accepted = Fraction(int(np.sum(other > start)) + 1, other.size + 1)
            threshold = (1 - missed) / accepted
            root = math.log(threshold) if threshold > 0 else -math.inf
            if root < end:
                return max(root, start)
            start = end
        raise AssertionError("a threshold has no end")

    own, other = llr[is_bonafide], llr[~is_bonafide]
    return -largest(-other, -own), largest(own, other)
