"""Energy guided by the similarity with training clips: NNGuide, NSD and NSD per class.

f^ are vectors of length 1, c_i = LSE(z_i) of the training clips. NNGuide: Park, Jung and Teoh,
"Nearest neighbor guidance for out-of-distribution detection" (2023). NSD: Xie et al., "Generalized
source tracing: detecting novel audio deepfake algorithm with real emphasis and fake dispersion
strategy" (2024); its mean over all training clips is linear, so that their mean vector is enough.
"""

import numpy as np

from spoofscope.ood.base import (
    Array,
    Classes,
    Fitted,
    Floats,
    OodDetector,
    Outputs,
    check_neighbours,
    class_means,
    largest,
    log_sum_exp,
    unit_rows,
)
from spoofscope.options import ood as options


def _weighted(outputs: Outputs) -> Floats:
    """c_i f^_i, (n, D)."""
    return log_sum_exp(outputs.logits)[:, None] * unit_rows(outputs.vectors)


class Nsd(OodDetector[options.Nsd]):
    """-LSE(z) <f^, mean_i c_i f^_i>.

    Large classes rule the mean, so that it says little beyond the energy.
    """

    options_type = options.Nsd

    def _fit(self, train: Outputs, classes: Classes) -> dict[str, Array]:
        return {"mean": _weighted(train).mean(axis=0)}

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        return -log_sum_exp(block.logits) * (unit_rows(block.vectors) @ fitted["mean"])


class NsdPerClass(OodDetector[options.NsdPerClass]):
    """-LSE(z) max_k <f^, mean of c_i f^_i over class k>."""

    options_type = options.NsdPerClass

    def _fit(self, train: Outputs, classes: Classes) -> dict[str, Array]:
        return {"means": class_means(_weighted(train), classes)}

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        guidance = unit_rows(block.vectors) @ fitted["means"].T
        return -log_sum_exp(block.logits) * guidance.max(axis=1)


class NnGuide(OodDetector[options.NnGuide]):
    """-LSE(z) times the mean of the k largest <f^, c_i f^_i>."""

    options_type = options.NnGuide

    def _fit(self, train: Outputs, classes: Classes) -> dict[str, Array]:
        check_neighbours(self.options.k, len(train))
        return {"weighted": _weighted(train).astype(np.float32)}

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        similarity = unit_rows(block.vectors).astype(np.float32) @ fitted["weighted"].T
        guidance = largest(similarity, self.options.k).mean(axis=1)
        return -log_sum_exp(block.logits) * guidance
