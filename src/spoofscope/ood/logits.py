"""Detectors that look at the logits alone: energies and what follows from the probabilities.

z are the logits, p = softmax(z), LSE = log sum exp. Energy: Liu et al., "Energy-based
out-of-distribution detection" (2020). Softmax energy: Klein, Tak and Khoury, "Open-set source
tracing of audio deepfake systems" (2025). MSP: Hendrycks and Gimpel, "A baseline for detecting
misclassified and out-of-distribution examples in neural networks" (2017). Max-logit: Hendrycks et
al., "Scaling out-of-distribution detection for real-world settings" (2022).
"""

import numpy as np

from spoofscope.errors import DetectorError
from spoofscope.ood.base import (
    Array,
    Classes,
    Fitted,
    Floats,
    OodDetector,
    OptionsOf,
    Outputs,
    log_softmax,
    log_sum_exp,
)
from spoofscope.options import ood as options


class _OfLogits(OodDetector[OptionsOf]):
    """Nothing is fitted."""

    def _fit(self, train: Outputs, classes: Classes) -> dict[str, Array]:
        return {}


class Energy(_OfLogits[options.Energy]):
    """-T LSE(z / T)."""

    options_type = options.Energy

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        t = self.options.temperature
        return -t * log_sum_exp(block.logits.astype(np.float64) / t)


class SoftmaxEnergy(_OfLogits[options.SoftmaxEnergy]):
    """-T LSE(p / T): bounded, so that no logit dominates."""

    options_type = options.SoftmaxEnergy

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        t = self.options.temperature
        return -t * log_sum_exp(np.exp(log_softmax(block.logits)) / t)


class Msp(_OfLogits[options.Msp]):
    """1 - max p, in [0, 1 - 1/K]."""

    options_type = options.Msp

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        return _ascending_probabilities(block)[:, :-1].sum(axis=1)


class MaxLogit(_OfLogits[options.MaxLogit]):
    """-max z."""

    options_type = options.MaxLogit

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        return -block.logits.max(axis=1).astype(np.float64)


class Kl(_OfLogits[options.Kl]):
    """-KL(u || p) = mean z - LSE(z) + ln K with equal probabilities u; at most 0."""

    options_type = options.Kl

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        mean: Floats = log_softmax(block.logits).mean(axis=1)
        return mean + np.log(block.logits.shape[1])


class Entropy(_OfLogits[options.Entropy]):
    """-sum p ln p, in [0, ln K]."""

    options_type = options.Entropy

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        logarithms = log_softmax(block.logits)
        entropy: Floats = -(np.exp(logarithms) * logarithms).sum(axis=1)
        return entropy


class Margin(_OfLogits[options.Margin]):
    """1 - (p_1 - p_2) of the two largest probabilities, in [0, 1]."""

    options_type = options.Margin

    def _fit(self, train: Outputs, classes: Classes) -> dict[str, Array]:
        if train.logits.shape[1] < 2:
            raise DetectorError(
                "the margin is that between two known attacks, and there is one; take max_logit"
            )
        return {}

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        ascending = _ascending_probabilities(block)
        return ascending[:, :-1].sum(axis=1) + ascending[:, -2]


def _ascending_probabilities(block: Outputs) -> Floats:
    # 1 minus a probability is summed up from the others: near 1 it would be rounded off.
    return np.sort(np.exp(log_softmax(block.logits)), axis=1)
