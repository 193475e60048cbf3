"""Detectors that say what a function says of a waveform."""

from collections.abc import Callable

import numpy as np

from spoofscope.augmentation.base import power
from spoofscope.inputs import Aggregation
from spoofscope.windows import InputPolicy


class Toy:
    """A detector that says what a function says of its window."""

    device = "cpu"
    aggregation = Aggregation()
    policy = InputPolicy(length=None)

    def __init__(self, score: Callable[[np.ndarray], float]) -> None:
        self._score = score

    def eval(self) -> None:
        """It is always ready."""

    def logits(self, windows, batch_size, names=None):
        return np.array([[self._score(window)] for window in windows], dtype=np.float32)

    def scores_of(self, logits):
        return logits[:, 0].astype(np.float64)


def level_db(x: np.ndarray) -> float:
    return float(10 * np.log10(power(x) + 1e-12))
