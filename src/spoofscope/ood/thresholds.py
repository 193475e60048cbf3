"""From dev to decisions: a threshold, and whether a score has the sign that it says it has."""

from collections.abc import Collection, Iterable, Mapping

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


def dev_auroc(ood_scores: Floats, known: npt.NDArray[np.bool_]) -> float:
    """How often an unknown clip of dev scores higher than a known one, ties counting half.

    Args:
        ood_scores: (n,) of the clips of dev, higher = more unknown.
        known: (n,) which of them are of known attacks.

    Raises:
        DetectorError: no known or no unknown clip.
        SpoofscopeError: a score is not finite.
    """
    check_kinds(known, "dev")
    curve = det_curve(ood_scores[~known], ood_scores[known])
    return 1.0 - float(np.trapezoid(curve.p_miss[::-1], curve.p_fa[::-1]))


def check_polarity(aurocs: Mapping[str, float], tracer: str, fitted: Iterable[str]) -> None:
    """Refuse detectors that take known attacks for unknown ones, all of them at once.

    Args:
        aurocs: of the detectors whose sign is not inverted on purpose, by :func:`dev_auroc`.
        tracer: whose detectors they are, for the message.
        fitted: all detectors of the tracer, for the message.

    Raises:
        PolarityError: an AUROC is below 0.5.
    """
    inverted = {name: auroc for name, auroc in aurocs.items() if auroc < 0.5}
    if inverted:
        values = ", ".join(
            f"{name} (AUROC {auroc:.3f}, mirrored {1 - auroc:.3f})"
            for name, auroc in inverted.items()
        )
        raise PolarityError(
            f"tracer {tracer}: the polarity of {values} is inverted: on dev, known attacks score "
            f"as more unknown than unknown ones; {_without(inverted, tracer, fitted)}, or make it "
            "a member of a gate, which finds the sign on dev"
        )


def _without(inverted: Collection[str], tracer: str, fitted: Iterable[str]) -> str:
    """The key that leaves detectors out, as it can be written into a study."""
    rest = ", ".join(name for name in fitted if name not in inverted)
    if not rest:
        return f"name other detectors in `tracers.{tracer}.ood`"
    them = "it" if len(inverted) == 1 else "them"
    return (
        f"leave {them} out, by `ood: [{rest}]` in `tracers.{tracer}` (where it decides, with "
        "another `decide_by`)"
    )


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
