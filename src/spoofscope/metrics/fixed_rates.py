"""Operating points: one kind of error is held at or below a rate, and the other kind is measured.

The threshold is chosen on the trials themselves, as for the EER: the lowest that accepts no more
than the given share of spoofs, or the highest that rejects no more than the given share of bona
fide trials. Nothing is interpolated, so a point never claims a rate that no threshold has.

A set with fewer than 1 / rate trials of the class whose errors are held has no such point: the rate
would be that of no error at all. In a resample the threshold is chosen anew.
"""

import math
from typing import Literal, NamedTuple

import numpy as np

from spoofscope.metrics.bootstrap import Resampled
from spoofscope.metrics.measure import Metric
from spoofscope.metrics.rates import Floats, det_curve

RATES = (0.01, 0.001)
"""The rates at which errors are held."""

Held = Literal["spoof_accepted", "bonafide_rejected"]
HELD: tuple[Held, ...] = ("spoof_accepted", "bonafide_rejected")

# Shares are quotients: 10 of 1000 may be a hair more than 0.01.
_ROUNDING = 1e-12


class Point(NamedTuple):
    """An operating point. threshold: trials below it are rejected. rate: of the other error."""

    threshold: float
    rate: float


def class_of(held: Held) -> str:
    """The class whose trials make these errors."""
    return "spoof" if held == "spoof_accepted" else "bonafide"


def errors_allowed(held: Held, rate: float, n_bonafide: int, n_spoof: int) -> int:
    """How many errors the held rate allows: the trials that decide where the threshold is."""
    n = n_spoof if held == "spoof_accepted" else n_bonafide
    return math.floor(rate * n + _ROUNDING * n)


def point(bonafide: Floats, spoof: Floats, held: Held, rate: float) -> Point | None:
    """The operating point; None where the trials are too few for the rate.

    Args:
        bonafide, spoof: scores, at least one of each class.
        held: the error that is held.
        rate: at or below this.

    Raises:
        SpoofscopeError: as `rates.det_curve`.
    """
    if errors_allowed(held, rate, bonafide.size, spoof.size) < 1:
        return None
    curve = det_curve(bonafide, spoof)
    if held == "spoof_accepted":
        i = int(np.argmax(curve.p_fa <= rate + _ROUNDING))
        return Point(float(curve.thresholds[i]), float(curve.p_miss[i]))
    i = int(np.flatnonzero(curve.p_miss <= rate + _ROUNDING)[-1])
    return Point(float(curve.thresholds[i]), float(curve.p_fa[i]))


def metric(held: Held, rate: float) -> Metric:
    """The other error's rate at the operating point, for sets that have one."""

    def of(bonafide: Floats, spoof: Floats) -> float:
        found = point(bonafide, spoof, held, rate)
        return math.nan if found is None else found.rate

    def resampled(some: Resampled) -> Floats:
        p_miss, p_fa = some.p_miss(), some.p_fa()
        rows = np.arange(len(p_miss))
        if held == "spoof_accepted":
            return np.asarray(p_miss[rows, np.argmax(p_fa <= rate + _ROUNDING, axis=1)])
        last = (p_miss <= rate + _ROUNDING).sum(axis=1) - 1
        return np.asarray(p_fa[rows, np.maximum(last, 0)])

    other = "bonafide" if held == "spoof_accepted" else "spoof"
    return Metric(f"at {held} {rate}", of, resampled, counted=other)
