"""The table of the scores of masked utterances."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from spoofscope.errors import TableError
from spoofscope.names import NONE
from spoofscope.shards.journal import Done
from spoofscope.tables import read_table, write_table

UNMASKED = "(unmasked)"
"""Instead of the name of a mask, which begins with a letter."""

COLUMNS: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "weights": pl.Int64(),
    "mask": pl.String(),
    "variant": pl.String(),
    "strength": pl.Float64(),
    "matched": pl.String(),
    "control": pl.Int64(),
    "score": pl.Float64(),
    "share": pl.Float64(),
    "energy": pl.Float64(),
}
"""weights: 0 are those of the detector, 1, 2, ... shuffled ones. mask: its name. variant: of the
mask, such as a band. matched: what random masks have in common with the mask, its size, its energy
or both; - is the mask itself. control: 0 is the mask itself, 1, 2, ... random ones. share: of the
frames (of artefacts: of frames times bands; of bands: of the spectrum) that are masked; 1 where the
whole waveform is. energy: of these, or of the change of the waveform, over that of the clip."""


def write_masked(path: str | Path, ids: Sequence[str], done: Done) -> None:
    """Write the scores of utterances and of all their masked forms, see :data:`COLUMNS`.

    The row of the unmasked utterance has :data:`UNMASKED` as `mask`.

    Args:
        path: the table.
        ids: of the utterances.
        done: what `scores.mask_utterances` has for each.

    Raises:
        TableError: there are no utterances.
    """
    if not ids:
        raise TableError(f"{path}: there are no utterances to mask")
    rows: list[list[Any]] = []
    for utt_id in ids:
        result = done[utt_id]
        for weights, scores in enumerate([result, *result["copies"]]):
            first = [utt_id, weights]
            rows.append([*first, UNMASKED, NONE, 0.0, NONE, 0, scores["unmasked"], 0.0, 0.0])
            rows += [[*first, *row] for row in scores["masked"]]
    write_table(path, pl.DataFrame(rows, schema=COLUMNS, orient="row"))


def read_masked(path: str | Path) -> pl.DataFrame:
    """Read what :func:`write_masked` wrote.

    Raises:
        TableError: as `tables.read_table`; or an utterance lacks a masked form that others have.
    """
    table = read_table(path, COLUMNS)
    n = table["utt_id"].n_unique()
    forms = ("weights", "mask", "variant", "strength", "matched", "control")
    for key, rows in table.group_by(*forms, maintain_order=True):
        if rows["utt_id"].n_unique() != n or rows.height != n:
            raise TableError(
                f"{path}: {rows.height} scores under {' '.join(map(str, key))} of {n} utterances; "
                "delete it, and the next run makes it again"
            )
    return table
