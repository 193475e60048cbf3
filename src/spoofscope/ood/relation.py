"""Relations to the training clips: Kim et al., "Neural relation graph: a unified framework for
identifying label noise and outlier data" (2023).
"""

import numpy as np

from spoofscope.ood.base import (
    Array,
    Classes,
    Fitted,
    Floats,
    OodDetector,
    Outputs,
    Singles,
    log_softmax,
    unit_rows,
)
from spoofscope.options import ood as options


class Relation(OodDetector[options.Relation]):
    """- the mean over classes of the mean relation to the training clips of a class.

    The relation is max(0, <f^, f^_i>) <p, p_i>, with vectors f^ of length 1 and probabilities p;
    below `least` it is 0. A mean over classes, because a sum over clips grows with their number and
    follows the largest class. In single precision.
    """

    options_type = options.Relation

    def _fit(self, train: Outputs, classes: Classes) -> dict[str, Array]:
        _, place, counts = np.unique(classes, return_inverse=True, return_counts=True)
        return {
            "directions": unit_rows(train.vectors).astype(np.float32),
            "probabilities": _probabilities(train),
            "weights": (1 / (counts.size * counts[place])).astype(np.float32),
        }

    def _scores(self, block: Outputs, fitted: Fitted) -> Floats:
        relation = unit_rows(block.vectors).astype(np.float32) @ fitted["directions"].T
        relation *= _probabilities(block) @ fitted["probabilities"].T
        # Negative cosines are below it, too.
        relation *= relation > self.options.least
        return -(relation @ fitted["weights"]).astype(np.float64)


def _probabilities(outputs: Outputs) -> Singles:
    return np.exp(log_softmax(outputs.logits)).astype(np.float32)
