"""What the windows of a recording speak for, one by one."""

import math
from collections.abc import Mapping
from typing import Any

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
    """Scores between which the decision is inconclusive; a limit may be infinite, and both are
    the same where every score decides.
    """
    calibration, threshold = detector.calibration, detector.meta["threshold"]
    if calibration is None:
        return (-math.inf, math.inf) if threshold is None else (threshold, threshold)
    low, high = decision_edges(calibration)
    return _score_at(low, calibration), _score_at(high, calibration)


def _score_at(ratio: float, calibration: Mapping[str, Any]) -> float:
    """The score of a natural-log ratio; infinite where no score has it."""
    # Ratios end at their bounds, whatever the score.
    if calibration["lower"] <= ratio <= calibration["upper"]:
        return float((ratio - calibration["offset"]) / calibration["scale"])
    return math.inf if ratio > calibration["upper"] else -math.inf
