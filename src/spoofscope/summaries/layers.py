"""Tables about layers: learned weights, and error rates of probes."""

from collections.abc import Sequence

import polars as pl

from spoofscope.layers.columns import WEIGHTS
from spoofscope.tables import read_table

_PROBES: dict[str, pl.DataType] = {
    "probe": pl.String(),
    "layer": pl.Int64(),
    "corpus": pl.String(),
    "split": pl.String(),
    "condition": pl.String(),
    "level": pl.String(),
    "eer": pl.Float64(),
    "n_bonafide": pl.Int64(),
    "n_spoof": pl.Int64(),
    "c": pl.Float64(),
    "dev_eer": pl.Float64(),
    "n_train": pl.Int64(),
}


def read_weights(paths: Sequence[str]) -> pl.DataFrame:
    """All tables of layer weights in one frame, see `layers.weights.layer_weights`."""
    return pl.concat([read_table(path, WEIGHTS) for path in paths])


def read_probes(paths: Sequence[str]) -> pl.DataFrame:
    """All tables of probes in one frame, see `layers.probes.probe_layers`."""
    interval = dict.fromkeys(("ci_low", "ci_high"), pl.Float64())
    return pl.concat([read_table(path, _PROBES, interval) for path in paths])
