"""What the windows of a recording speak for, one by one."""

import math

from spoofscope.cases.validation import decision_edges
from spoofscope.detector import Detector
from spoofscope.figures.window_scores import JudgedWindow
from spoofscope.judging import Judgement


def judged_windows(detector: Detector, judgement: Judgement) -> list[JudgedWindow]:
    """The windows of a recording in their order, each judged alone."""
    policy, duration = detector.policy, judgement["duration_s"]
    length = duration if policy.length is None else policy.length / policy.sample_rate
    return [
        JudgedWindow(start, min(start + length, duration), score, detector.decide(score))
        for start, score in zip(
            judgement["window_starts_s"], judgement["window_scores"], strict=True
        )
    ]


def undecided_scores(detector: Detector) -> tuple[float, float]:
    """Scores between which the decision is inconclusive; a limit may be infinite."""
    calibration, threshold = detector.calibration, detector.meta["threshold"]
    if calibration is None:
        return (-math.inf, math.inf) if threshold is None else (threshold, threshold)
    low, high = decision_edges(calibration)
    # Ratios end at their bounds, whatever the score.
    reachable = calibration["lower"] <= low, high <= calibration["upper"]
    if not calibration["scale"]:
        return -math.inf, math.inf
    edges = [
        (edge - calibration["offset"]) / calibration["scale"]
        if is_reachable
        else math.copysign(math.inf, sign * calibration["scale"])
        for edge, sign, is_reachable in zip((low, high), (-1, 1), reachable, strict=True)
    ]
    return min(edges), max(edges)
