"""The table of runs: the settings behind every run id."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.exhibits import Table
from spoofscope.identity import canonical_json
from spoofscope.tables import write_table

TABLE = Table(
    title="Run ids and their settings",
    shows="The settings behind every run id.",
    caption=(
        "A run id is the name of a detector or tracer and a digest of all settings that determine "
        "its weights. It names its folder, and the folders of its scores or traces, and metrics."
    ),
    needs="run_settings",
    place=10,
    printed=("run", "detector", "seeds", "source", "frontend", "backend"),
)


_COLUMNS = dict.fromkeys(
    ("run", "detector", "seeds", "source", "frontend", "backend", "settings"), pl.String()
)


def make(runs: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Write the table, see :func:`runs_table`."""
    write_table(outputs["table"], runs_table(runs))


def runs_table(runs: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """A row per run.

    Args:
        runs: run, detector (or tracer), seeds, source and settings of every run; may be empty.

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
    return pl.DataFrame(rows, schema=_COLUMNS)
