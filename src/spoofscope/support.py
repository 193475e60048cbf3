"""Whether the eval sets of a detector's study support the ratio that it gives a recording.

The bounds of a calibration are those of the development set. Another set, with other attacks or
codecs, may support less. All that gives a ratio says so in the words of this module.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

from spoofscope.selection.calibration import Bounds, ratio_text

# A clip that is scored alone, and among others for a table, differs in the seventh digit.
_ROUNDING = 1e-5
_UNVALIDATED = "Do not rely on its ratios."


class Validation(TypedDict):
    """What the validation of a detector says of a ratio; JSON-able.

    supported: whether every validating set supports the ratio; None where there is no such set, or
    no ratio. doubts: sentences why not to rely on the ratio; empty where it is supported, or where
    there is none. sets: the names, numbers of clips, bounds (natural logarithms; None on a set that
    supports no ratio) and Cllr of the validating sets.
    """

    supported: bool | None
    doubts: list[str]
    sets: list[dict[str, str | int | float | None]]


class Supported(NamedTuple):
    """The ratios that a set of trials supports.

    Attributes:
        name: of the set, and its condition.
        n_bonafide, n_spoof: trials.
        bounds: natural logarithms, see `selection.calibration.empirical_bounds`.
        cllr: of the calibrated ratios of these trials, bits.
    """

    name: str
    n_bonafide: int
    n_spoof: int
    bounds: Bounds
    cllr: float

    def supports(self, llr: float) -> bool:
        """Whether these trials support a natural-log ratio: it is within their bounds, and the
        detector's ratios are better than none.
        """
        has = self.bounds.lower - _ROUNDING <= llr <= self.bounds.upper + _ROUNDING
        return has and self.is_informative

    @property
    def is_informative(self) -> bool:
        """Whether the detector's ratios are better than none on these trials."""
        return self.cllr < 1

    @property
    def limits(self) -> dict[str, float | None]:
        """The bounds by name, JSON-able; None both where the trials support no ratio."""
        bounds = self.bounds._asdict()
        return dict(bounds) if self.is_informative else dict.fromkeys(bounds)

    def in_words(self) -> str:
        """What these trials support, as half a sentence."""
        if not self.is_informative:
            return (
                f"the clips of {self.name} support no ratio: on them, the detector's are no better "
                f"than none (Cllr {self.cllr:.3f}, and 1 is no information)"
            )
        lower, upper = map(ratio_text, self.bounds)
        ratios = "no ratio but 1" if lower == upper else f"ratios from {lower} to {upper} only"
        return f"the clips of {self.name} support {ratios}"


class Support(NamedTuple):
    """The sets that validate a detector, and why there are none where there are none."""

    sets: Sequence[Supported]
    missing: str = ""

    def in_words(self) -> list[str]:
        """What they support, whatever the ratio, in sentences."""
        if not self.sets:
            return [f"This detector is not validated here: {self.missing}. {_UNVALIDATED}"]
        words = [each.in_words() for each in self.sets]
        return [f"{text[0].upper()}{text[1:]}." for text in words]

    def of(self, llr: float | None) -> Validation:
        """What is to be said of a natural-log ratio; None is no ratio."""
        doubts: list[str] = []
        if llr is not None:
            doubts = [
                f"Do not rely on the ratio of {ratio_text(llr)}: {each.in_words()}."
                for each in self.sets
                if not each.supports(llr)
            ]
            if not self.sets:
                doubts = self.in_words()
        return {
            "supported": None if llr is None or not self.sets else not doubts,
            "doubts": doubts,
            "sets": [
                {
                    "name": each.name,
                    "n_bonafide": each.n_bonafide,
                    "n_spoof": each.n_spoof,
                    **each.limits,
                    "cllr": each.cllr,
                }
                for each in self.sets
            ],
        }


def doubts_of(validation: Validation | None) -> list[str]:
    """Its sentences why not to rely on the ratio; none where nobody asked."""
    return [] if validation is None else validation["doubts"]
