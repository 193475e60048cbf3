"""How much information calibrated scores carry: Cllr and its minimum.

The scores are natural-log likelihood ratios, bona fide over spoof. Definitions follow Brümmer and
du Preez, "Application-independent evaluation of speaker detection" (2006).
"""

import math

import numpy as np
import numpy.typing as npt

from spoofscope.errors import SpoofscopeError
from spoofscope.selection.operating_points import Floats, check_scores


def losses(log_odds_of_error: Floats) -> Floats:
    """Bits that each trial costs, log2(1 + e^x), from the log-odds of its error (n,)."""
    # logaddexp(0, x) = ln(1 + e^x) without the overflow of the textbook form beyond |x| = 709.
    with np.errstate(over="ignore"):
        bits: Floats = np.logaddexp(0.0, log_odds_of_error) / math.log(2)
    return bits


def _mean_bits(log_odds_of_error: Floats) -> float:
    # Divided first, so that scores near the largest number do not overflow in their sum.
    bits = losses(log_odds_of_error)
    return float(np.sum(bits / bits.size))


def cllr(bonafide: npt.ArrayLike, spoof: npt.ArrayLike) -> float:
    """Cost of the log-likelihood ratios in bits: 0 is perfect, 1 is no information, > 1 misleads.

    1/2 [mean log2(1 + e^-s) over bona fide + mean log2(1 + e^s) over spoof].

    Raises:
        SpoofscopeError: as :func:`check_scores`; also when the value is beyond any number.
    """
    bonafide, spoof = check_scores(bonafide, spoof)
    value = _mean_bits(-bonafide) / 2 + _mean_bits(spoof) / 2
    if not math.isfinite(value):
        largest = max(np.abs(bonafide).max(), np.abs(spoof).max())
        raise SpoofscopeError(
            f"Cllr is larger than any number: scores as far from 0 as {largest:g} are no "
            "log-likelihood ratios; scale them, which changes no error rate"
        )
    return value


def calibrated_blocks(bonafide: Floats, spoof: Floats) -> tuple[Floats, Floats]:
    """Trials in the blocks that the best monotone calibration joins, from the lowest score upwards.

    All trials of a block get the same calibrated score; the corners between blocks are those of the
    ROC's convex hull. The blocks are those of scipy's isotonic regression
    (pool adjacent violators).

    Args:
        bonafide, spoof: (n,) how many trials of the class, or which share of it, have each of n
            scores, in ascending order.

    Returns:
        The same of each block: two arrays (n_blocks,).
    """
    from scipy.optimize import isotonic_regression

    both = bonafide + spoof
    some = both > 0
    starts = isotonic_regression(bonafide[some] / both[some], weights=both[some]).blocks[:-1]
    return np.add.reduceat(bonafide[some], starts), np.add.reduceat(spoof[some], starts)


def _blocks_of_scores(bonafide: npt.ArrayLike, spoof: npt.ArrayLike) -> tuple[Floats, Floats]:
    bonafide, spoof = check_scores(bonafide, spoof)
    distinct, place = np.unique(np.concatenate([bonafide, spoof]), return_inverse=True)
    counts = (
        np.bincount(of_class, minlength=distinct.size).astype(np.float64)
        for of_class in (place[: bonafide.size], place[bonafide.size :])
    )
    return calibrated_blocks(*counts)


def min_cllr(bonafide: npt.ArrayLike, spoof: npt.ArrayLike) -> float:
    """Cllr in bits after the best monotone calibration on the same trials, in [0, 1].

    Raises:
        SpoofscopeError: as :func:`check_scores`.
    """
    in_blocks = _blocks_of_scores(bonafide, spoof)
    return _bits_of_blocks(*(each / each.sum() for each in in_blocks))


def min_cllr_of_shares(bonafide: Floats, spoof: Floats) -> float:
    """The same from the share of each class that has each of the scores, ascending; two (n,)."""
    return _bits_of_blocks(*calibrated_blocks(bonafide, spoof))


def _bits_of_blocks(bonafide: Floats, spoof: Floats) -> float:
    """Cllr of calibrated ratios bonafide / spoof, the shares of the classes in each block."""
    # 0 trials of a class contribute 0.
    both = bonafide + spoof
    bits = 0.0
    for share in (bonafide, spoof):
        some = share > 0
        bits += float(np.sum(share[some] * np.log2(both[some] / share[some])))
    return bits / 2


def cllr_error(bonafide: npt.ArrayLike, spoof: npt.ArrayLike) -> float:
    """Standard error of :func:`cllr` in bits, as of independent trials.

    Raises:
        SpoofscopeError: as :func:`check_scores`.
    """
    bonafide, spoof = check_scores(bonafide, spoof)
    # Divided by a common size first, so that large losses do not overflow in their squares.
    class_losses = [losses(-bonafide), losses(spoof)]
    size = max(1.0, *(float(each.max()) for each in class_losses))
    return (
        size / 2 * math.sqrt(sum(float(np.var(each / size)) / each.size for each in class_losses))
    )


def min_cllr_error(bonafide: npt.ArrayLike, spoof: npt.ArrayLike) -> float:
    """Standard error of :func:`min_cllr` in bits, as of independent trials.

    That of the losses after the best calibration: at a minimum the calibration itself adds nothing.

    Raises:
        SpoofscopeError: as :func:`check_scores`.
    """
    in_blocks = _blocks_of_scores(bonafide, spoof)
    shares = [each / each.sum() for each in in_blocks]
    both = shares[0] + shares[1]
    variance = 0.0
    for share, each in zip(shares, in_blocks, strict=True):
        some = share > 0
        bits = np.log2(both[some] / share[some])
        spread = bits - float(share[some] @ bits)
        variance += float(share[some] @ spread**2) / float(each.sum())
    return math.sqrt(variance) / 2
