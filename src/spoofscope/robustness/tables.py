"""The table of the scores of laundered recordings."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from spoofscope.errors import TableError
from spoofscope.shards.journal import Done
from spoofscope.tables import read_table, write_table

CLEAN = "(clean)"
"""Instead of the name of a change, which begins with a letter."""

COLUMNS: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "change": pl.String(),
    "severity": pl.Int64(),
    "chain": pl.String(),
    "score": pl.Float64(),
}
"""change: its name. severity: 0 is clean, 1 the mildest chain of the change. chain: its name."""


def write_laundered(path: str | Path, ids: Sequence[str], done: Done) -> None:
    """Write the scores of utterances under all changes, see :data:`COLUMNS`.

    Args:
        path: the table.
        ids: of the utterances.
        done: what `scores.launder_utterances` has for each.

    Raises:
        TableError: there are no utterances.
    """
    if not ids:
        raise TableError(f"{path}: there are no utterances to launder")
    rows = [[utt_id, *row] for utt_id in ids for row in done[utt_id]["laundered"]]
    write_table(path, pl.DataFrame(rows, schema=COLUMNS, orient="row"))


def read_laundered(path: str | Path) -> pl.DataFrame:
    """Read what :func:`write_laundered` wrote.

    Raises:
        TableError: as `tables.read_table`; or an utterance lacks a form that others have.
    """
    table = read_table(path, COLUMNS)
    n = table["utt_id"].n_unique()
    for key, rows in table.group_by("change", "severity", "chain", maintain_order=True):
        if rows["utt_id"].n_unique() != n or rows.height != n:
            raise TableError(
                f"{path}: {rows.height} scores under {' '.join(map(str, key))} of {n} utterances; "
                "delete it, and the next run makes it again"
            )
    return table
