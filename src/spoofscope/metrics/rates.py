"""Error rates and costs of a detector from the scores of its bona fide and spoof trials.

Every function takes the bona fide scores and the spoof scores as one-dimensional arrays, finite and
higher = more bona fide. A trial is accepted as bona fide when its score is at or above the
threshold t:

    P_miss(t) = share of bona fide with score < t      (bona fide rejected)
    P_fa(t)   = share of spoof with score >= t         (spoof accepted)

Trials with the same score are never separated: there is one operating point per distinct score.
The official ASVspoof tools walk through tied trials one by one with the bona fide ones first, so
their EER of an all-tied list is 1.0; here it is 0.5. Without ties the two rules differ by less than
one trial.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spoofscope.errors import SpoofscopeError

Floats = npt.NDArray[np.float64]

# The countermeasure track of ASVspoof 5 (Wang et al., 2024).
P_SPOOF = 0.05
C_MISS = 1.0
C_FA = 10.0


class DetCurve(NamedTuple):
    """All operating points, thresholds ascending; three float64 arrays of shape (n + 1,).

    The first n thresholds are the distinct scores, the last one is +inf; so the first point
    accepts everything (P_miss 0, P_fa 1) and the last one nothing (P_miss 1, P_fa 0).
    """

    thresholds: Floats
    p_miss: Floats
    p_fa: Floats


class EER(NamedTuple):
    """Equal error rate in [0, 1] and a threshold at which the two errors are nearest."""

    value: float
    threshold: float


class ErrorRates(NamedTuple):
    """What a fixed threshold does: shares in [0, 1]; `hter` is the mean of the other two."""

    bonafide_rejected: float
    spoof_accepted: float
    hter: float


def check_class(name: str, scores: npt.ArrayLike) -> Floats:
    """The scores of one class as a float64 array; `name` is for the message.

    Raises:
        SpoofscopeError: there is no trial, the list is not one-dimensional, or a score is NaN or
            infinite.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1:
        raise SpoofscopeError(f"{name} scores: expected one dimension, got {values.shape}")
    if values.size == 0:
        raise SpoofscopeError(f"no {name} trials: this metric needs some")
    bad = ~np.isfinite(values)
    if bad.any():
        first = int(np.argmax(bad))
        raise SpoofscopeError(
            f"{name} scores: {int(bad.sum())} of {values.size} are not finite, the first is "
            f"{values[first]} at position {first}"
        )
    return values


def check_scores(bonafide: npt.ArrayLike, spoof: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Both score lists as float64 arrays.

    Raises:
        SpoofscopeError: as :func:`check_class`, for either class.
    """
    return check_class("bona fide", bonafide), check_class("spoof", spoof)


def det_curve(bonafide: npt.ArrayLike, spoof: npt.ArrayLike) -> DetCurve:
    """The operating points, one per distinct score and one that rejects everything.

    Raises:
        SpoofscopeError: as :func:`check_scores`.
    """
    bonafide, spoof = check_scores(bonafide, spoof)
    scores = np.unique(np.concatenate([bonafide, spoof]))
    thresholds = np.append(scores, np.inf)
    missed = np.searchsorted(np.sort(bonafide), thresholds, side="left")
    rejected = np.searchsorted(np.sort(spoof), thresholds, side="left")
    return DetCurve(thresholds, missed / bonafide.size, (spoof.size - rejected) / spoof.size)


def equal_error_rate(p_miss: Floats, p_fa: Floats) -> float:
    """Where the line through neighbouring operating points crosses P_miss = P_fa.

    Args:
        p_miss: (n,), ascending from 0 to 1.
        p_fa: (n,), descending from 1 to 0.
    """
    after = int(np.searchsorted(p_miss - p_fa, 0.0, side="left"))
    before = after - 1
    gap_before = p_fa[before] - p_miss[before]
    gap_after = p_miss[after] - p_fa[after]
    share = gap_before / (gap_before + gap_after)
    return float(p_miss[before] + share * (p_miss[after] - p_miss[before]))


def eer(bonafide: npt.ArrayLike, spoof: npt.ArrayLike) -> EER:
    """Equal error rate: tie-aware, interpolated between neighbouring operating points.

    The threshold is the one with the smallest |P_miss - P_fa|, placed half-way between the two
    scores that it separates, so a perfectly separated development set gives the middle of the gap.

    Raises:
        SpoofscopeError: as :func:`check_scores`.
    """
    curve = det_curve(bonafide, spoof)
    value = equal_error_rate(curve.p_miss, curve.p_fa)
    # The gap is -1 at the first point and +1 at the last one, so the first minimum is never last.
    nearest = int(np.argmin(np.abs(curve.p_miss - curve.p_fa)))
    threshold = float(curve.thresholds[nearest])
    if nearest > 0:
        below = float(curve.thresholds[nearest - 1])
        middle = below / 2 + threshold / 2
        threshold = middle if below < middle <= threshold else threshold
    return EER(value, threshold)


def _normalised_cost(
    p_miss: Floats, p_fa: Floats, p_spoof: float, c_miss: float, c_fa: float
) -> Floats:
    weight_miss, weight_fa = c_miss * (1 - p_spoof), c_fa * p_spoof
    return (weight_miss * p_miss + weight_fa * p_fa) / min(weight_miss, weight_fa)


def min_dcf(
    bonafide: npt.ArrayLike,
    spoof: npt.ArrayLike,
    *,
    p_spoof: float = P_SPOOF,
    c_miss: float = C_MISS,
    c_fa: float = C_FA,
) -> float:
    """Minimum normalised detection cost over all thresholds, in [0, 1].

    min over t of [c_miss (1 - p_spoof) P_miss(t) + c_fa p_spoof P_fa(t)], divided by the cost of
    the better of the two trivial decisions. With the defaults (ASVspoof 5, track 1) that is
    min 1.9 P_miss + P_fa.

    Raises:
        SpoofscopeError: as :func:`check_scores`.
    """
    curve = det_curve(bonafide, spoof)
    return float(_normalised_cost(curve.p_miss, curve.p_fa, p_spoof, c_miss, c_fa).min())


def bayes_threshold(
    *, p_spoof: float = P_SPOOF, c_miss: float = C_MISS, c_fa: float = C_FA
) -> float:
    """The threshold on a natural-log likelihood ratio that minimises the expected cost.

    -ln(c_miss (1 - p_spoof) / (c_fa p_spoof)); -ln 1.9 = -0.641854 with the defaults.
    """
    return -math.log(c_miss * (1 - p_spoof) / (c_fa * p_spoof))


def act_dcf(
    bonafide: npt.ArrayLike,
    spoof: npt.ArrayLike,
    *,
    p_spoof: float = P_SPOOF,
    c_miss: float = C_MISS,
    c_fa: float = C_FA,
) -> float:
    """Normalised detection cost at the Bayes threshold; can exceed 1.

    The scores are read as natural-log likelihood ratios, bona fide over spoof, so the value means
    something for calibrated scores only.

    Raises:
        SpoofscopeError: as :func:`check_scores`.
    """
    threshold = bayes_threshold(p_spoof=p_spoof, c_miss=c_miss, c_fa=c_fa)
    rates = error_rates(bonafide, spoof, threshold)
    p_miss, p_fa = np.array(rates.bonafide_rejected), np.array(rates.spoof_accepted)
    return float(_normalised_cost(p_miss, p_fa, p_spoof, c_miss, c_fa))


def auc(bonafide: npt.ArrayLike, spoof: npt.ArrayLike) -> float:
    """Probability that a bona fide trial scores higher than a spoof one; ties count one half.

    Raises:
        SpoofscopeError: as :func:`check_scores`.
    """
    bonafide, spoof = check_scores(bonafide, spoof)
    ordered = np.sort(spoof)
    below = np.searchsorted(ordered, bonafide, side="left")
    not_above = np.searchsorted(ordered, bonafide, side="right")
    # Integer sums: exact, whatever the order of the trials.
    return int(below.sum() + not_above.sum()) / (2 * bonafide.size * spoof.size)


def bonafide_rejected(bonafide: npt.ArrayLike, threshold: float) -> float:
    """Share of the bona fide trials below a threshold that was chosen elsewhere.

    Raises:
        SpoofscopeError: as :func:`check_class`.
    """
    return float(np.mean(check_class("bona fide", bonafide) < threshold))


def spoof_accepted(spoof: npt.ArrayLike, threshold: float) -> float:
    """Share of the spoof trials at or above a threshold that was chosen elsewhere.

    Raises:
        SpoofscopeError: as :func:`check_class`.
    """
    return float(np.mean(check_class("spoof", spoof) >= threshold))


def error_rates(bonafide: npt.ArrayLike, spoof: npt.ArrayLike, threshold: float) -> ErrorRates:
    """Both error rates and their mean at a threshold, e.g. the development set's EER threshold.

    Raises:
        SpoofscopeError: as :func:`check_scores`.
    """
    rejected = bonafide_rejected(bonafide, threshold)
    accepted = spoof_accepted(spoof, threshold)
    return ErrorRates(rejected, accepted, (rejected + accepted) / 2)


def accuracy(bonafide: npt.ArrayLike, spoof: npt.ArrayLike, threshold: float) -> float:
    """Share of all trials that are on their side of the threshold; depends on the class mix.

    Raises:
        SpoofscopeError: as :func:`check_scores`.
    """
    bonafide, spoof = check_scores(bonafide, spoof)
    right = int((bonafide >= threshold).sum() + (spoof < threshold).sum())
    return right / (bonafide.size + spoof.size)


def f1(bonafide: npt.ArrayLike, spoof: npt.ArrayLike, threshold: float) -> float:
    """F1 of finding the spoof trials (spoof is the positive class); 0 when none is found.

    Raises:
        SpoofscopeError: as :func:`check_scores`.
    """
    bonafide, spoof = check_scores(bonafide, spoof)
    found = int((spoof < threshold).sum())
    false_alarms = int((bonafide < threshold).sum())
    return 2 * found / (spoof.size + found + false_alarms)
