"""The columns of learned weights, for their writers and for figures. No torch."""

import polars as pl

WEIGHTS: dict[str, pl.DataType] = {
    "run": pl.String(),
    "seed": pl.Int64(),
    "mix": pl.String(),
    "layer": pl.Int64(),
    "raw": pl.Float64(),
    "weight": pl.Float64(),
    "corrected": pl.Float64(),
    "entropy": pl.Float64(),
    "effective_layers": pl.Float64(),
    "corrected_entropy": pl.Float64(),
    "corrected_effective_layers": pl.Float64(),
}
