"""The table of the scores of recordings whose cues have changed sides."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from spoofscope.errors import TableError
from spoofscope.names import NONE
from spoofscope.shards.journal import Done
from spoofscope.tables import read_table, write_table

UNCHANGED = "(unchanged)"
"""Instead of the name of a cue, which begins with a letter."""

PUT, STRIP = "put", "strip"
"""The two tests of a cue: it is put on the class that has it not, and taken off its own."""

COLUMNS: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "cue": pl.String(),
    "test": pl.String(),
    "control": pl.Int64(),
    "score": pl.Float64(),
    "energy": pl.Float64(),
    "seconds": pl.Float64(),
}
"""cue: its name. test: put or strip. control: 0 is the cue, 1 its control, a change as large that
is no cue. energy: of the change over that of the clip, 0 where the length changes. seconds: by
which the clip became longer."""


def write_audited(path: str | Path, ids: Sequence[str], done: Done) -> None:
    """Write the scores of utterances and of all their changed forms, see :data:`COLUMNS`.

    The row of the unchanged utterance has :data:`UNCHANGED` as `cue`.

    Args:
        path: the table.
        ids: of the utterances.
        done: what `scores.audit_utterances` has for each.

    Raises:
        TableError: there are no utterances.
    """
    if not ids:
        raise TableError(f"{path}: there are no utterances to audit")
    rows: list[list[Any]] = []
    for utt_id in ids:
        result = done[utt_id]
        rows.append([utt_id, UNCHANGED, NONE, 0, result["unchanged"], 0.0, 0.0])
        rows += [[utt_id, *row] for row in result["changed"]]
    write_table(path, pl.DataFrame(rows, schema=COLUMNS, orient="row"))


def read_audited(path: str | Path) -> pl.DataFrame:
    """Read what :func:`write_audited` wrote.

    Raises:
        TableError: as `tables.read_table`; an utterance is twice or unknown, or a cue has not as
            many scores as its control.
    """
    table = read_table(path, COLUMNS)
    again = "delete it, and the next run makes it again"
    known = set(table.filter(cue=UNCHANGED)["utt_id"])
    ids: dict[tuple[Any, ...], list[str]] = {}
    for (cue, test, control), rows in table.group_by("cue", "test", "control"):
        own = rows["utt_id"].sort().to_list()
        if len(set(own)) < len(own) or not known.issuperset(own):
            raise TableError(f"{path}: utterances under {cue} {test} {control} do not fit; {again}")
        ids[cue, test, control] = own
    for cue, test, control in ids:
        if cue != UNCHANGED and ids.get((cue, test, 1 - control)) != ids[cue, test, control]:
            raise TableError(f"{path}: {cue} {test} and its control do not fit; {again}")
    return table
