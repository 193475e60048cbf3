"""Stretches of a curve of evidence with the strongest peaks."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spoofscope.errors import ConfigError

Floats = npt.NDArray[np.float64]


def smooth(curve: npt.NDArray[np.floating], width: int) -> Floats:
    """Centred moving average (n,) over an odd number of values; at the ends over those there are.

    Raises:
        ConfigError: the width is not odd.
    """
    if width < 1 or width % 2 == 0:
        raise ConfigError(f"a centred moving average needs an odd width, not {width}")
    padded = np.pad(np.cumsum(curve, dtype=np.float64), (1, 0))
    positions = np.arange(curve.size)
    low = np.maximum(positions - width // 2, 0)
    high = np.minimum(positions + width // 2 + 1, curve.size)
    averages: Floats = (padded[high] - padded[low]) / (high - low)
    return averages


def odd_frames(seconds: float, hop_seconds: float) -> int:
    """The odd number of frames whose duration is nearest to `seconds`."""
    return 2 * max(0, round((seconds / hop_seconds - 1) / 2)) + 1


class Region(NamedTuple):
    """Frames `first` to `last` (inclusive), with the mean and sum of their evidence."""

    first: int
    last: int
    mean: float
    total: float


def top_regions(evidence: Floats, count: int) -> list[Region]:
    """The stretches with the strongest evidence, strongest peak first.

    A region surrounds a local maximum as far as the evidence stays at or above half of it; then the
    search goes on among the local maxima that are left.

    Args:
        evidence: (n,), smoothed; positive = evidence.
        count: regions at most.
    """
    around = np.pad(evidence, 1, constant_values=-np.inf)
    # Without this, the slope beside a region would be the next region.
    maxima = (evidence >= around[:-2]) & (evidence >= around[2:])
    free = np.ones(evidence.size, dtype=bool)
    regions: list[Region] = []
    while len(regions) < count:
        candidates = np.where(free & maxima, evidence, 0.0)
        peak = int(np.argmax(candidates))
        height = candidates[peak]
        if height <= 0:
            break
        inside = free & (evidence >= height / 2)
        first = last = peak
        while first > 0 and inside[first - 1]:
            first -= 1
        while last + 1 < evidence.size and inside[last + 1]:
            last += 1
        part = evidence[first : last + 1]
        regions.append(Region(first, last, float(part.mean()), float(part.sum())))
        free[first : last + 1] = False
    return regions
