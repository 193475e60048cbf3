"""Error rates and costs of a detector from the scores of its bona fide and spoof trials.

Scores, trials and thresholds are those of :mod:`spoofscope.selection.operating_points`, which has
EER, minDCF and the DET curve; this module exports them, too.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spoofscope.selection.operating_points import (
    C_FA,
    C_MISS,
    EER,
    P_SPOOF,
    DetCurve,
    Floats,
    check_class,
    check_scores,
    det_curve,
    eer,
    equal_error_rate,
    min_dcf,
    normalised_cost,
)

__all__ = [
    "C_FA",
    "C_MISS",
    "EER",
    "P_SPOOF",
    "DetCurve",
    "ErrorRates",
    "Floats",
    "accuracy",
    "act_dcf",
    "auc",
    "bayes_threshold",
    "bonafide_rejected",
    "check_class",
    "check_scores",
    "det_curve",
    "eer",
    "equal_error_rate",
    "error_rates",
    "f1",
    "min_dcf",
    "spoof_accepted",
]


class ErrorRates(NamedTuple):
    """Error rates at a fixed threshold: shares in [0, 1]; `hter` is the mean of the other two."""

    bonafide_rejected: float
    spoof_accepted: float
    hter: float


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
    return float(normalised_cost(p_miss, p_fa, p_spoof, c_miss, c_fa))


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
    spoofs_found = int((spoof < threshold).sum())
    false_alarms = int((bonafide < threshold).sum())
    return 2 * spoofs_found / (spoof.size + spoofs_found + false_alarms)
