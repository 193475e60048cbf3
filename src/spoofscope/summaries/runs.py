"""The table of runs: which run id stands for which settings."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.identity import canonical_json


def runs_table(runs: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """A row per run.

    Args:
        runs: run, detector, seeds, source and settings of every run.

    Returns:
        run, detector, seeds (with blanks between), source, frontend and backend (their types; "-"
        where only scores are known), settings (canonical JSON).
    """
    rows = [
        {
            "run": run["run"],
            "detector": run["detector"],
            "seeds": " ".join(map(str, run["seeds"])),
            "source": run["source"],
            "frontend": run["settings"].get("frontend", {"type": "-"})["type"],
            "backend": run["settings"].get("backend", {"type": "-"})["type"],
            "settings": canonical_json(run["settings"]),
        }
        for run in runs
    ]
    return pl.DataFrame(rows)
