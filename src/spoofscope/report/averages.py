"""What the report says about averaged attributions: how many windows, and how complete."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from spoofscope.tables import read_table

_SUMMARY: dict[str, pl.DataType] = {
    "group": pl.String(),
    **dict.fromkeys(("n_windows", "n_utterances", "beyond", "steps"), pl.Int64()),
    **dict.fromkeys(("output", "baseline_output", "delta", "beyond_share"), pl.Float64()),
}


def averaged_runs(summaries: Sequence[str]) -> list[dict[str, Any]]:
    """For each run its id (`run`), and a row for bona fide, spoof and both (`groups`)."""
    return [
        {
            "run": Path(path).parents[1].name,
            "groups": list(
                read_table(path, _SUMMARY).filter(pl.col("group") != "attack").iter_rows(named=True)
            ),
        }
        for path in summaries
    ]
