"""From dev to decisions: a threshold, and whether a score has the sign that it says it has."""

import numpy as np
import numpy.typing as npt

from spoofscope.errors import DetectorError
from spoofscope.ood.base import Floats
from spoofscope.selection.operating_points import det_curve, eer


class PolarityError(DetectorError):
    """The ood_score of a detector is higher for known attacks than for unknown ones."""


def dev_threshold(ood_scores: Floats, known: npt.NDArray[np.bool_]) -> float:
    """The threshold at which as many known clips as unknown ones of dev are mistaken (its EER).

    An attack is called unknown where ood_score >= threshold.

    Args:
        ood_scores: (n,) of the clips of dev, higher = more unknown.
        known: (n,) which of them are of known attacks.

    Raises:
        DetectorError: no known or no unknown clip.
        SpoofscopeError: a score is not finite.
    """
    check_kinds(known, "dev")
    return eer(ood_scores[~known], ood_scores[known]).threshold


def check_polarity(
    name: str, ood_scores: Floats, known: npt.NDArray[np.bool_], as_published: bool = False
) -> float:
    """Refuse a detector that takes known attacks for unknown ones.

    Args:
        name: of the detector, for the message.
        ood_scores: (n,) of the clips of dev, higher = more unknown.
        known: (n,) which of them are of known attacks.
        as_published: the sign is inverted on purpose, and nothing is refused.

    Returns:
        The AUROC: how often an unknown clip scores higher than a known one, ties counting half.

    Raises:
        PolarityError: it is below 0.5.
        DetectorError: no known or no unknown clip.
        SpoofscopeError: a score is not finite.
    """
    check_kinds(known, "dev")
    curve = det_curve(ood_scores[~known], ood_scores[known])
    auroc = 1.0 - float(np.trapezoid(curve.p_miss[::-1], curve.p_fa[::-1]))
    if auroc < 0.5 and not as_published:
        raise PolarityError(
            f"{name}: on dev, known attacks score as more unknown than unknown ones (AUROC "
            f"{auroc:.3f}, mirrored {1 - auroc:.3f}), so that its polarity is inverted for this "
            "tracer; leave this detector out, or make it a member of a gate, which finds the sign "
            "on dev"
        )
    return auroc


def check_kinds(known: npt.NDArray[np.bool_], split: str) -> None:
    """Refuse clips of which all are known, or none is.

    Raises:
        DetectorError: a kind is missing.
    """
    for kind, there, way in (
        ("known", known, "attacks of train"),
        ("unknown", ~known, "attacks that train does not have"),
    ):
        if not there.any():
            raise DetectorError(
                f"{split} has no clips of {kind} attacks, so that no threshold can be chosen on "
                f"it; add clips of {way} to {split}"
            )
