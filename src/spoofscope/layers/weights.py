"""Learned mixes of SSL layers as a table."""

import polars as pl

from spoofscope.detector import Detector

COLUMNS: dict[str, pl.DataType] = {
    "run": pl.String(),
    "seed": pl.Int64(),
    "mix": pl.String(),
    "layer": pl.Int64(),
    "weight": pl.Float64(),
    "effective_layers": pl.Float64(),
}


def layer_weights(detector: Detector, run: str, seed: int) -> pl.DataFrame:
    """One row per mix and hidden state.

    `layer` is the index of the hidden state: 0 is the input of the first transformer layer, which
    is there only where the front-end's option `embedding` is on. `weight` is the softmax weight in
    [0, 1], or for the mix `mix_times_gain` that weight times the learned gain of its layer, of
    either sign. `effective_layers` is the exponential of the entropy (in nats) of the weights'
    shares of their summed magnitude, from 1 (one layer has all the weight) to the number of hidden
    states (uniform). A back-end without a learned mix gives no rows.

    Args:
        detector: a detector with an SSL front-end.
        run: its run id.
        seed: its training seed.
    """
    first = 0 if detector.frontend.config["embedding"] else 1
    rows = []
    for mix, weights in (detector.backend.layer_weights() or {}).items():
        values = weights.double()
        shares = values.abs() / values.abs().sum()
        entropy = -(shares * shares.clamp_min(1e-300).log()).sum()
        for index, weight in enumerate(values.tolist()):
            rows.append((run, seed, mix, first + index, weight, float(entropy.exp())))
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")
