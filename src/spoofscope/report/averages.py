"""The report's part on averaged attributions: number of windows, and completeness."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.tables import read_table

_SUMMARY: dict[str, pl.DataType] = {
    "group": pl.String(),
    **dict.fromkeys(("n_windows", "n_utterances", "beyond", "steps"), pl.Int64()),
    **dict.fromkeys(("output", "baseline_output", "delta", "beyond_share"), pl.Float64()),
}


def averaged_runs(averages: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """For each run its id (`run`), and a row for bona fide, spoof and both (`groups`).

    Args:
        averages: run, and the path of its summary.
    """
    return [
        {
            "run": average["run"],
            "groups": list(
                read_table(average["summary"], _SUMMARY)
                .filter(pl.col("group") != "attack")
                .iter_rows(named=True)
            ),
        }
        for average in averages
    ]
