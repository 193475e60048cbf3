"""How well unknown attacks are told from known ones, and both tasks at once.

Scores are ood_score: one-dimensional, finite, higher = more unknown. A clip is accepted as known
where its score is below the threshold t and called unknown where it is at or above. Clips of the
same score are never separated.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spoofscope.errors import SpoofscopeError
from spoofscope.metrics import rates
from spoofscope.metrics.bootstrap import Resampled
from spoofscope.metrics.closed_set import (
    Ids,
    check_ids,
    confusion_matrix,
    of_classes,
    weighted_mean,
)
from spoofscope.selection.operating_points import EER, DetCurve, Floats, check_class, det_curve

ACCEPTED = 0.95
"""Share of known clips that FPR95 accepts."""

# Shares are sums and quotients of whole numbers.
_ROUNDING = 1e-12


class OscrCurve(NamedTuple):
    """Operating points, thresholds ascending; (n + 1,) each, from (0, 0) on.

    correct: share of known clips that are accepted and attributed to their own attack. false:
    share of unknown clips that are accepted.
    """

    thresholds: Floats
    correct: Floats
    false: Floats


class AtThreshold(NamedTuple):
    """What a threshold does, shares in [0, 1].

    known_rejected, unknown_accepted: error rates. f1_known, f1_unknown: of finding either kind;
    binary_f1: their mean. open_set_f1: mean F1 over the known attacks that occur and `unknown`.
    """

    known_rejected: float
    unknown_accepted: float
    f1_known: float
    f1_unknown: float
    binary_f1: float
    open_set_f1: float


def _checked(known: npt.ArrayLike, unknown: npt.ArrayLike) -> tuple[Floats, Floats]:
    return check_class("known", known), check_class("unknown", unknown)


def auroc(known: npt.ArrayLike, unknown: npt.ArrayLike) -> float:
    """How often an unknown clip scores higher than a known one; ties count one half.

    Raises:
        SpoofscopeError: a kind is missing, or a score is not finite; so do all others here.
    """
    known, unknown = _checked(known, unknown)
    return rates.auc(unknown, known)


def eer(known: npt.ArrayLike, unknown: npt.ArrayLike) -> EER:
    """Equal error rate of known rejected and unknown accepted, and a threshold near it."""
    known, unknown = _checked(known, unknown)
    return rates.eer(unknown, known)


def fpr95(known: npt.ArrayLike, unknown: npt.ArrayLike) -> float:
    """Share of unknown clips accepted where at least 95 % of the known ones are.

    The lowest such threshold counts.
    """
    known, unknown = _checked(known, unknown)
    curve = det_curve(unknown, known)
    return float(curve.p_miss[_accepting(curve.p_fa)])


def _accepting(known_rejected: Floats) -> npt.NDArray[np.intp]:
    return np.argmax(known_rejected <= 1 - ACCEPTED + _ROUNDING, axis=-1)


def aupr_unknown(known: npt.ArrayLike, unknown: npt.ArrayLike) -> float:
    """Area below precision over recall of finding the unknown clips (average precision).

    The sum over thresholds of precision times gain of recall, without interpolation.
    """
    known, unknown = _checked(known, unknown)
    return _average_precision(det_curve(unknown, known), unknown.size, known.size)


def aupr_known(known: npt.ArrayLike, unknown: npt.ArrayLike) -> float:
    """As :func:`aupr_unknown`, of finding the known clips, by the negated scores."""
    known, unknown = _checked(known, unknown)
    return _average_precision(det_curve(-known, -unknown), known.size, unknown.size)


def _average_precision(curve: DetCurve, n_wanted: int, n_others: int) -> float:
    found = (1 - curve.p_miss[:-1]) * n_wanted
    precision = found / (found + curve.p_fa[:-1] * n_others)
    return float(precision @ np.diff(curve.p_miss))


def oscr_curve(
    known: npt.ArrayLike, correct: npt.NDArray[np.bool_], unknown: npt.ArrayLike
) -> OscrCurve:
    """Open-set classification rate: Dhamija, Günther and Boult, "Reducing network agnostophobia"
    (2018).

    Args:
        known: (n,) scores of the known clips.
        correct: (n,) which of them are attributed to their own attack.
        unknown: (m,) scores of the unknown clips.
    """
    known, unknown = _checked(known, unknown)
    if np.shape(correct) != known.shape:
        raise SpoofscopeError(f"{np.size(correct)} attributions of {known.size} known clips")
    thresholds = np.append(np.unique(np.concatenate([known, unknown])), np.inf)
    right = np.searchsorted(np.sort(known[correct]), thresholds, side="left")
    wrong = np.searchsorted(np.sort(unknown), thresholds, side="left")
    return OscrCurve(thresholds, right / known.size, wrong / unknown.size)


def oscr(known: npt.ArrayLike, correct: npt.NDArray[np.bool_], unknown: npt.ArrayLike) -> float:
    """Area below correct over false of :func:`oscr_curve`.

    It is the share of known clips attributed to their own attack, times the AUROC of these alone.
    """
    curve = oscr_curve(known, correct, unknown)
    return float(np.trapezoid(curve.correct, curve.false))


def open_confusion(
    truth: npt.ArrayLike,
    predicted: npt.ArrayLike,
    scores: npt.ArrayLike,
    threshold: float,
    n_known: int,
) -> Ids:
    """The confusion matrix of K known attacks and, as the last class, `unknown`; (K + 1, K + 1).

    Args:
        truth: (n,) known ids from 0 to K - 1, and -1 for unknown attacks.
        predicted: (n,) the likeliest known id of each clip.
        scores: (n,) ood_score.
        threshold: from dev.
        n_known: K.
    """
    true = check_ids("truth", np.asarray(truth) + 1, n_known + 1)
    said = check_ids("predicted", predicted, n_known)
    values = check_class("ood", scores)
    if values.size != said.size:
        raise SpoofscopeError(f"{values.size} scores of {said.size} clips")
    return confusion_matrix(
        np.where(true == 0, n_known, true - 1),
        np.where(values >= threshold, n_known, said),
        n_known + 1,
    )


def at_threshold(confusion: Ids) -> AtThreshold:
    """What a threshold does, from :func:`open_confusion`; both kinds have to occur.

    Raises:
        SpoofscopeError: a kind is missing.
    """
    there = confusion.sum(axis=1) > 0
    if not there[-1] or not there[:-1].any():
        kind = "known" if there[-1] else "unknown"
        raise SpoofscopeError(f"no {kind} trials: this metric needs some")
    return AtThreshold(*(float(value) for value in rates_at_threshold(confusion, there * 1.0)))


def rates_at_threshold(
    confusion: npt.NDArray[np.int64] | Floats, weights: Floats
) -> tuple[Floats, ...]:
    """The fields of :class:`AtThreshold` of confusion matrices (..., K + 1, K + 1), (...) each.

    Args:
        confusion: of :func:`open_confusion`.
        weights: (..., K + 1) of the classes in `open_set_f1`, not all 0.
    """
    rows = np.stack([confusion[..., :-1, :].sum(axis=-2), confusion[..., -1, :]], axis=-2)
    two = of_classes(np.stack([rows[..., :-1].sum(axis=-1), rows[..., -1]], axis=-1))
    return (
        *(1 - two.recall[..., kind] for kind in (0, 1)),
        *(two.f1[..., kind] for kind in (0, 1)),
        two.f1.mean(axis=-1),
        weighted_mean(of_classes(confusion).f1, weights),
    )


# --- the same of resamples, unknown clips in the place of bona fide ones, known of spoofs ---------


def fpr95_of(resampled: Resampled) -> Floats:
    """As :func:`fpr95`, (r,)."""
    first = _accepting(resampled.p_fa())
    share: Floats = np.take_along_axis(resampled.p_miss(), first[:, None], axis=1)[:, 0]
    return share


def aupr_unknown_of(resampled: Resampled) -> Floats:
    """As :func:`aupr_unknown`, (r,)."""
    return _average_precision_of(resampled.bonafide[:, ::-1], resampled.spoof[:, ::-1])


def aupr_known_of(resampled: Resampled) -> Floats:
    """As :func:`aupr_known`, (r,)."""
    return _average_precision_of(resampled.spoof, resampled.bonafide)


def _average_precision_of(wanted: Floats, others: Floats) -> Floats:
    """From counts (r, c) of both kinds, the likeliest first."""
    found = np.cumsum(wanted, axis=1)
    # A resample may lack a kind, and begin with scores that it has no clips of.
    with np.errstate(invalid="ignore"):
        precision = found / (found + np.cumsum(others, axis=1))
        gained = np.where(wanted > 0, precision * wanted, 0.0).sum(axis=1)
        value: Floats = np.where(others.sum(axis=1) > 0, gained / found[:, -1], np.nan)
    return value
