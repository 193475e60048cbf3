"""How often one of two systems is right and the other wrong."""

from typing import Any

import polars as pl

from spoofscope.tables import read_table

_COUNTS: dict[str, pl.DataType] = {
    "label": pl.String(),
    **dict.fromkeys(("n", "both_right", "only_right", "only_wrong", "both_wrong"), pl.Int64()),
    **dict.fromkeys(("threshold_right", "threshold_wrong"), pl.Float64()),
}


def read_counts(path: str) -> dict[str, dict[str, Any]]:
    """A table of `disagreements.contingency`, by label."""
    # Empty where there is a single clip or speaker of a class, or where clips count by themselves.
    table = read_table(path, _COUNTS, {"mcnemar_p": pl.Float64(), "n_clusters": pl.Int64()})
    return {row["label"]: row for row in table.iter_rows(named=True)}
