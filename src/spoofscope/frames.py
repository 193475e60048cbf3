"""Where the frames of windows lie on the time axis of their clip."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from spoofscope.windows import InputPolicy, Windows

_ROUNDING = 1e-6
"""Of places of frames, far less than a sample."""


class Spaced(Protocol):
    """What has frames on the time axis, such as a front-end: frame i of a waveform is centred at
    first_centre_seconds + i * hop_seconds.
    """

    hop_seconds: float
    first_centre_seconds: float


def frame_indices(
    frontend: Spaced, policy: InputPolicy, windows: Windows, n_frames: Sequence[int]
) -> list[npt.NDArray[np.int64]]:
    """Where the frames of each window lie on the time axis of the clip.

    The clip's frames are centred at first_centre_seconds + i * hop_seconds; a window's frame goes
    to the nearest one. Where a short clip was repeated to fill the window, its frames go to the
    part that they repeat; frames on appended zeros get -1.

    Args:
        frontend: has the spacing of the frames.
        policy: how the windows were cut.
        windows: of one clip.
        n_frames: frames of each window.

    Returns:
        One array (n_frames,) per window.
    """
    size = windows.values.shape[1]
    rate = policy.sample_rate
    first, hop = frontend.first_centre_seconds * rate, frontend.hop_seconds * rate
    last = max(0, int((int((windows.starts + windows.valid).max()) - first) / hop))
    result = []
    for start, valid, count in zip(windows.starts, windows.valid, n_frames, strict=True):
        centres = first + hop * np.arange(count)
        beyond = centres >= valid if valid < size else np.zeros(count, dtype=bool)
        inside = np.where(beyond, centres % valid, centres)
        # Halfway between two, all go to the later one: to even numbers, pairs of frames would share
        # a place, and leave the next one empty.
        indices = np.floor((start + inside - first) / hop + 0.5 + _ROUNDING).astype(np.int64)
        # Windows start between the clip's frames, so rounding may lead beyond its ends.
        indices = np.clip(indices, 0, last)
        if policy.short == "zero":
            indices[beyond] = -1
        result.append(indices)
    return result
