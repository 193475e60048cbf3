"""How good decisions at a given threshold are; scores and thresholds as in `metrics.rates`."""

import numpy.typing as npt

from spoofscope.metrics.rates import error_rates


def balanced_accuracy(bonafide: npt.ArrayLike, spoof: npt.ArrayLike, threshold: float) -> float:
    """Mean of the shares of both classes that are on their side of the threshold.

    Unlike the accuracy it does not depend on the class mix: one half is chance.

    Raises:
        SpoofscopeError: as `rates.error_rates`.
    """
    return 1 - error_rates(bonafide, spoof, threshold).hter


def eer_hard(bonafide: npt.ArrayLike, spoof: npt.ArrayLike, threshold: float) -> float:
    """The "EER" of decisions that are taken for scores.

    Gasenzer and Wolter, "Towards generalizing deep-audio fake detection networks", TMLR 2024, give
    decisions 0 and 1 to a routine that interpolates an ROC curve. That curve has a single inner
    point, and crosses the diagonal of equal errors at max(f, m) / (1 + abs(f - m)), with f and m
    the error rates of the classes. This value penalises a bad threshold, and can only be compared
    with values of the same kind: use it to compare with published tables, not to judge a detector.

    Raises:
        SpoofscopeError: as `rates.error_rates`.
    """
    rates = error_rates(bonafide, spoof, threshold)
    errors = rates.bonafide_rejected, rates.spoof_accepted
    return max(errors) / (1 + abs(errors[0] - errors[1]))
