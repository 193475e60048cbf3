"""Silences as spans: from frames, with least durations, and named by where they are."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from spoofscope.alignment.base import Span

SILENCE = "silence"
LEADING, PAUSE, TRAILING = "leading", "pause", "trailing"
"""Labels of the tier silence. A clip that is silent throughout has one leading silence."""

Bools = npt.NDArray[np.bool_]


def smoothed(silent: Bools, shortest_silence: int, shortest_speech: int) -> Bools:
    """Frames without sounds and silences that are too short.

    First sounds between two silences that are too short become silence, then silences between two
    sounds that are too short become speech. Runs at the ends of the clip count as the others do.

    Args:
        silent: (n,) whether a frame is silent.
        shortest_silence: frames of the shortest silence that stays.
        shortest_speech: frames of the shortest sound that stays.

    Returns:
        (n,), where every run of silence has at least `shortest_silence` frames.
    """
    kept = _without_short(silent, False, shortest_speech)
    return _without_short(kept, True, shortest_silence)


def _without_short(values: Bools, value: bool, shortest: int) -> Bools:
    """Runs of a value that are shorter, turned over; a run that is everything stays."""
    result = values.copy()
    for start, end in runs(values == value):
        if end - start < shortest and end - start < values.size:
            result[start:end] = not value
    return result


def runs(values: Bools) -> list[tuple[int, int]]:
    """Start and end (exclusive) of every run of true frames, in order."""
    edges = np.flatnonzero(np.diff(np.pad(values.astype(np.int8), 1)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def silences(spans: Iterable[tuple[float, float]], duration: float) -> list[Span]:
    """The tier silence.

    Args:
        spans: start and end of silences in s, in order of time.
        duration: of the clip in s; the last silence may end there, or up to a millisecond before.
    """
    result = []
    for start, end in spans:
        label = PAUSE
        if start <= _NEAR:
            label = LEADING
        elif end >= duration - _NEAR:
            label = TRAILING
        result.append(Span(start, end, SILENCE, label))
    return result


# Times that were written with three decimals.
_NEAR = 0.001
