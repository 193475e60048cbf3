"""Learned mixes of SSL layers as a table."""

import math

import polars as pl
from torch import Tensor

from spoofscope.detector import Detector
from spoofscope.errors import DetectorError
from spoofscope.layers.columns import WEIGHTS

# Name, in the back-ends, of a mix of layers after a batch norm, times the gain of that norm.
_CORRECTED = "_times_gain"


def entropy(shares: Tensor) -> float:
    """Entropy in nats of non-negative shares (C,) of sum 1."""
    return float(-(shares * shares.clamp_min(1e-300).log()).sum())


def layer_weights(detector: Detector, run: str, seed: int) -> pl.DataFrame:
    """One row per mix and hidden state.

    `layer` is the index of the hidden state: 0 is the input of the first transformer layer, which
    is there only where the front-end's option `embedding` is on. `raw` is the trained parameter,
    `weight` its softmax over the layers. Where the layers pass a batch norm before they are mixed,
    its gains are trained as well, and a layer contributes its weight times the size of its gain:
    `corrected`, scaled to sum 1; without such a norm it is `weight`.

    `entropy` is that of the weights, in nats, and `effective_layers` its exponential, from 1 (one
    layer has all the weight) to the number of hidden states (uniform, where training starts); both
    are also given of the corrected weights. They are the same in all rows of a mix. A back-end
    without a learned mix gives no rows.

    Args:
        detector: a detector with an SSL front-end.
        run: its run id.
        seed: its training seed.

    Raises:
        DetectorError: the back-end gives its weights, but not the parameters behind them.
    """
    first = 0 if detector.frontend.config["embedding"] else 1
    weights = detector.backend.layer_weights() or {}
    parameters = detector.backend.layer_logits() or {}
    rows = []
    for mix in [name for name in weights if not name.endswith(_CORRECTED)]:
        if mix not in parameters:
            raise DetectorError(
                f"back-end {detector.backend.name}: layer_logits lacks the mix {mix!r} of "
                "layer_weights"
            )
        shares = weights[mix].double()
        corrected = weights.get(mix + _CORRECTED, weights[mix]).double()
        spread = [value for h in map(entropy, (shares, corrected)) for value in (h, math.exp(h))]
        columns = (parameters[mix].double().tolist(), shares.tolist(), corrected.tolist())
        for index, values in enumerate(zip(*columns, strict=True)):
            rows.append((run, seed, mix, first + index, *values, *spread))
    return pl.DataFrame(rows, schema=WEIGHTS, orient="row")
