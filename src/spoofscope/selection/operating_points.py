"""Operating points of a detector, and the two numbers that a checkpoint is selected by.

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


def normalised_cost(
    p_miss: Floats, p_fa: Floats, p_spoof: float, c_miss: float, c_fa: float
) -> Floats:
    """Detection cost over that of the better of the two trivial decisions, element by element."""
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
    return float(normalised_cost(curve.p_miss, curve.p_fa, p_spoof, c_miss, c_fa).min())
