"""Where a known artefact is: among the frames of a clip, and among the bands of a front-end."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

EVERYWHERE = 0.95
"""An artefact in more than this share of the frames or bands is everywhere, and there is nothing to
compare it with. A global one may miss a frame at the end of a clip, where its times were
rounded."""


class Place(NamedTuple):
    """Where an artefact is: start and end (s), and a band (Hz), None where it is at all."""

    start: float
    end: float
    low_hz: float | None = None
    high_hz: float | None = None


def positive_frames(
    times: npt.NDArray[np.float64], places: Iterable[Place]
) -> npt.NDArray[np.bool_]:
    """Which frames, by their centres (n,) in seconds, lie in a segment [start, end)."""
    inside = np.zeros(times.size, dtype=bool)
    for place in places:
        inside |= (times >= place.start) & (times < place.end)
    return inside


def times_within(
    times: npt.NDArray[np.float64], seconds: float, hop: float
) -> npt.NDArray[np.float64]:
    """Centres of frames (n,) in seconds, moved into a recording of some seconds.

    Windows of analysis may be centred before the start of a recording or behind its end. What they
    hear is its first or its last sound, so they belong to the segments there. The last half hop
    counts as behind the end: ends of segments are rounded.
    """
    within: npt.NDArray[np.float64] = np.clip(times, 0.0, max(0.0, seconds - hop / 2))
    return within


def positive_bands(edges: npt.ArrayLike, places: Iterable[Place]) -> npt.NDArray[np.bool_]:
    """Which bands overlap the band of a segment.

    Args:
        edges: (bands + 1,) Hz, ascending: band k reaches from value k to k + 1.
        places: one without a band overlaps all.
    """
    limits = np.asarray(edges, dtype=np.float64)
    inside = np.zeros(limits.size - 1, dtype=bool)
    for place in places:
        low = -np.inf if place.low_hz is None else place.low_hz
        high = np.inf if place.high_hz is None else place.high_hz
        inside |= (limits[:-1] < high) & (limits[1:] > low)
    return inside
