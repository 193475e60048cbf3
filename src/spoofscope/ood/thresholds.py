"""From dev to decisions: a threshold, and whether a score has the sign that it says it has."""

from collections.abc import Collection, Iterable, Mapping, Sequence

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


def check_polarity(
    aurocs: Mapping[str, float],
    tracer: str,
    fitted: Collection[str],
    decide_by: str,
    gates: Collection[str] = (),
) -> None:
    """Refuse detectors that take known attacks for unknown ones, all of them at once.

    Args:
        aurocs: of the detectors whose sign is not inverted on purpose, by :func:`dev_auroc`.
        tracer: whose detectors they are, for the message.
        fitted: all detectors of the tracer, for the message.
        decide_by: the one of them that decides, for the message.
        gates: those of them that are gates, for the message.

    Raises:
        PolarityError: an AUROC is below 0.5.
    """
    inverted = {name: auroc for name, auroc in aurocs.items() if auroc < 0.5}
    if not inverted:
        return
    values = _listed(
        [
            f"{name} (AUROC {auroc:.3f}, mirrored {1 - auroc:.3f})"
            for name, auroc in inverted.items()
        ]
    )
    polarity = "the polarity" if len(inverted) == 1 else "the polarities"
    are = "is" if len(inverted) == 1 else "are"
    ways = [_without(inverted, tracer, fitted, decide_by)]
    # A gate cannot be a member of a gate, and has found the signs of its members already.
    members = [name for name in inverted if name not in gates]
    if members:
        them = "it" if len(inverted) == 1 else "them"
        them = them if len(members) == len(inverted) else _listed(members)
        what = "a member" if len(members) == 1 else "members"
        signs = "the sign" if len(members) == 1 else "their signs"
        ways.append(f"make {them} {what} of a gate, which finds {signs} on dev")
    if others := [name for name in inverted if name in gates]:
        ways.append(f"list other members of {_listed(others)}")
    raise PolarityError(
        f"tracer {tracer}: {polarity} of {values} {are} inverted: on dev, known attacks score as "
        f"more unknown than unknown ones; {'; or '.join(ways)}"
    )


def _without(inverted: Collection[str], tracer: str, fitted: Iterable[str], decide_by: str) -> str:
    """The keys that leave detectors out, as they can be written into a study."""
    rest = [name for name in fitted if name not in inverted]
    them = "it" if len(inverted) == 1 else "them"
    if not rest:
        return (
            f"define other detectors in `tracing.ood`, and name them in `tracers.{tracer}.ood` and "
            f"`tracers.{tracer}.decide_by`"
        )
    keys = f"`ood: [{', '.join(rest)}]`"
    if decide_by not in inverted:
        return f"leave {them} out, by {keys} in `tracers.{tracer}`"
    named = f"`decide_by: {rest[0]}`" if len(rest) == 1 else "one of these as `decide_by`"
    return f"leave {them} out, by {keys} and {named} in `tracers.{tracer}`"


def _listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


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
