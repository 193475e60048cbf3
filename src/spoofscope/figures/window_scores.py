"""Drawing of a recording's windows: the score of each over time."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from spoofscope.figures.style import BONAFIDE, PAGE, SPOOF, new_figure
from spoofscope.tables import LABELS

_NONE = "not judged"
# What the windows of a recording speak for, one by one.
_COLOURS = {"bonafide": BONAFIDE, "spoof": SPOOF, "inconclusive": "#777777", _NONE: "#777777"}
_KEY = {
    **{"bonafide": "bona fide", "spoof": "spoof", "inconclusive": "inconclusive"},
    _NONE: "the recording is not judged",
}


class JudgedWindow(NamedTuple):
    """A window of a recording: from when to when it is, in seconds, its score, and the decision
    that the detector would make by it alone.
    """

    start: float
    end: float
    score: float
    decision: str


def window_figure(
    windows: Sequence[JudgedWindow],
    band: tuple[float, float],
    duration: float,
    *,
    is_judged: bool,
) -> tuple[Figure, Axes]:
    """Score of every window over time.

    Args:
        windows: in their order.
        band: between these scores the decision is inconclusive; they may be infinite.
        duration: of the recording, in seconds.
        is_judged: whether the detector judges the recording; otherwise no window speaks for a
            class.
    """
    figure = new_figure(PAGE, 2.2)
    axes = figure.add_subplot()
    # Where all scores are undecided, the bars begin at 0.
    middle = (band[0] + band[1]) / 2 if all(map(math.isfinite, band)) else 0.0
    used = {*LABELS, *(window.decision for window in windows)} if is_judged else {_NONE}
    colours = [_COLOURS[window.decision if is_judged else _NONE] for window in windows]
    starts, ends, scores = (
        np.array([getattr(window, name) for window in windows])
        for name in ("start", "end", "score")
    )
    axes.bar(
        starts,
        scores - middle,
        ends - starts,
        middle,
        align="edge",
        color=colours,
        alpha=0.45,
        linewidth=0,
    )
    axes.hlines(scores, starts, ends, colours, linewidth=1.6)
    key = [Patch(color=_COLOURS[name], label=_KEY[name]) for name in _COLOURS if name in used]
    if is_judged and band[0] < band[1]:
        low, high = axes.get_ylim()
        axes.axhspan(max(low, band[0]), min(high, band[1]), color="#999999", alpha=0.35, zorder=0)
        axes.set_ylim(low, high)
        key.append(Patch(color="#999999", alpha=0.35, label="scores without a decision"))
    axes.axhline(middle, color="#555555", linewidth=0.8)
    axes.set_xlim(0, duration)
    axes.set_xlabel("seconds")
    axes.set_ylabel("score")
    figure.legend(handles=key, loc="outside upper right", ncols=len(key))
    return figure, axes
