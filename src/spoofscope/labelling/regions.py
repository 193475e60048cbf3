"""How far marked regions overlap."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_SHIFTS = 100


def joined(regions: Sequence[Mapping[str, Any]]) -> Floats:
    """Start and end in seconds of what regions cover together, (stretches, 2), in order."""
    stretches: list[list[float]] = []
    for start, end in sorted((region["start"], region["end"]) for region in regions):
        if stretches and start <= stretches[-1][1]:
            stretches[-1][1] = max(stretches[-1][1], end)
        else:
            stretches.append([start, end])
    return np.array(stretches, dtype=np.float64).reshape(-1, 2)


def iou(one: Floats, other: Floats) -> float:
    """Seconds that both cover, over seconds that either covers: in [0, 1].

    Args:
        one, other: of :func:`joined`, not both empty.
    """
    both = _both(one, other)
    return both / (_seconds(one) + _seconds(other) - both)


def chance_iou(one: Floats, other: Floats, duration: float) -> float:
    """The mean :func:`iou` over shifts of `other` around the clip: what chance gives.

    Args:
        one, other: as of :func:`iou`.
        duration: of the clip in seconds.
    """
    values = []
    for shift in np.arange(_SHIFTS) * duration / _SHIFTS:
        starts = (other[:, 0] + shift) % duration
        moved = np.column_stack([starts, starts + other[:, 1] - other[:, 0]])
        # What goes beyond the end comes in at the start.
        whole = moved[:, 1] <= duration
        parts = [moved[whole]]
        for start, end in moved[~whole]:
            parts.append(np.array([[0.0, end - duration], [start, duration]]))
        values.append(iou(one, np.concatenate(parts)))
    return float(np.mean(values))


def share_inside(times: Floats, values: Floats, regions: Floats) -> tuple[float, float] | None:
    """Share of the magnitude of evidence, and of the frames, whose centres lie in regions.

    Args:
        times: centres of frames in seconds, (frames,).
        values: evidence of the frames, NaN where there is none, (frames,).
        regions: of :func:`joined`.

    Returns:
        Both in [0, 1]; None where there is no evidence at all, or no frame inside.
    """
    seen = np.isfinite(values)
    inside = np.zeros(times.size, dtype=bool)
    for start, end in regions:
        inside |= (times >= start) & (times < end)
    magnitudes = np.abs(np.where(seen, values, 0.0))
    total = magnitudes.sum()
    if not total or not (inside & seen).any():
        return None
    return float(magnitudes[inside].sum() / total), float((inside & seen).sum() / seen.sum())


def _seconds(stretches: Floats) -> float:
    return float((stretches[:, 1] - stretches[:, 0]).sum())


def _both(one: Floats, other: Floats) -> float:
    low = np.maximum(one[:, None, 0], other[None, :, 0])
    high = np.minimum(one[:, None, 1], other[None, :, 1])
    return float(np.maximum(0.0, high - low).sum())
