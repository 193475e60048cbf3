"""Numbers of a study beside published ones, and whether they agree."""

from collections.abc import Mapping
from typing import Any, Literal

from spoofscope.literature import same_digits
from spoofscope.names import NONE

Verdict = Literal["identical", "equivalent", "differs", "not comparable"]
VERDICTS: tuple[Verdict, ...] = ("identical", "equivalent", "differs", "not comparable")


WIDE = "too few trials to say more: the interval holds half and twice the number, too"
"""What is said of an interval that tells little."""

WIDE_AT_TOP = (
    "too few trials to say more: the interval holds half and twice the distance to {:g}, too"
)
"""The same of a number above half of the largest value, which twice the number would exceed."""


def verdict(
    reference: Mapping[str, Any],
    value: float | None,
    low: float | None,
    high: float | None,
    top: float = 1.0,
) -> tuple[Verdict, str]:
    """How a number compares with a published one, and why it does not.

    Identical: all published digits are the same. Equivalent: the 95 % interval holds the published
    value. The published value's own interval is not known, so "differs" is no test of a difference.

    Args:
        reference: fields of `literature.Reference`.
        value, low, high: of the study; None where there is none.
        top: the largest value of a rate in the unit of all numbers.

    Returns:
        The verdict, and the reason of "not comparable", or the weakness of an agreement, else "-".
    """
    if reference["unlike"] != NONE:
        return "not comparable", str(reference["unlike"])
    if value is None:
        return "not comparable", "the study has no such number"
    same = same_digits(value, reference["value"])
    if low is None or high is None:
        no_interval = "the number of the study has no interval"
        return ("identical", NONE) if same else ("not comparable", no_interval)
    published = float(reference["value"])
    if same:
        return "identical", _weakness(published, low, high, top)
    if not low <= published <= high:
        return "differs", NONE
    return "equivalent", _weakness(published, low, high, top)


def _weakness(published: float, low: float, high: float, top: float) -> str:
    """Few trials agree with every number."""
    if low <= published / 2 and high >= 2 * published:
        return WIDE
    distance = top - published
    is_wide = low <= top - 2 * distance and high >= top - distance / 2
    return WIDE_AT_TOP.format(top) if 0 <= distance < top / 2 and is_wide else NONE
