"""How well tracers do per language, family and quadrant."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.exhibits import Table
from spoofscope.metrics.slices import CLOSED, LEVELS
from spoofscope.names import NONE
from spoofscope.summaries.traced import over_seeds, settings_of, summary
from spoofscope.tables import write_table

TABLE = Table(
    title="Source tracing per language, family and quadrant",
    shows="How well every tracer does in each language, family and quadrant, with intervals.",
    caption=(
        "One row per tracer, traced set and level of a slice: language, family of the attack, and "
        "quadrant (whether train has the language, and the attack). Metrics and intervals are "
        "those of the table of source tracing, from the clips of the level alone; n_known and "
        "n_unknown count them. The known clips of a language are held against the unknown clips of "
        "that language; a family or quadrant whose clips are all known, or all unknown, is held "
        "against all clips of the other kind. A field is empty where a metric cannot be said."
    ),
    needs="traced_metrics",
    place=55,
)

OPEN = ("auroc", "eer", "fpr95", "known_rejected", "unknown_accepted")
SLICES: dict[str, pl.DataType] = {
    **dict.fromkeys(("name", "corpus", "split", "slice", "value", "decides"), pl.String()),
    **dict.fromkeys(("n_seeds", "n_known", "n_unknown"), pl.Int64()),
    **{
        f"{metric}{end}": pl.Float64()
        for metric in (*CLOSED, *OPEN)
        for end in ("", "_sd", "_low", "_high")
    },
}


def make(traced: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Write the table, see :func:`tracing_slices`."""
    write_table(outputs["table"], tracing_slices(traced))


def tracing_slices(traced: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """All metrics per tracer, set, slice and level.

    Args:
        traced: as in `tracing.tracing_table`.

    Returns:
        The columns :data:`SLICES`: decides is the detector of unknown attacks; n_known and
        n_unknown are clips; `_sd` is the standard deviation over seeds, `_low` and `_high` the
        interval of the first seed. No row where no level is known.
    """
    rows: list[dict[str, Any]] = []
    for (name, corpus, split), of_set in over_seeds(traced).items():
        decides = settings_of(of_set[0][0])["decide_by"]
        levels = of_set[0][1].filter(pl.col("slice").is_in(LEVELS))
        for each, value in levels.select("slice", "value").unique(maintain_order=True).rows():
            chosen = [table.filter(slice=each, value=value) for _, table in of_set]
            opened = [table.filter(detector=decides) for table in chosen]
            first = opened[0].row(0, named=True)
            rows.append(
                {
                    **{"name": name, "corpus": corpus, "split": split},
                    **{"slice": each, "value": value, "decides": decides},
                    "n_seeds": len(of_set),
                    "n_known": first["n_known"],
                    "n_unknown": first["n_unknown"],
                    **summary([table.filter(detector=NONE) for table in chosen], CLOSED),
                    **summary(opened, OPEN),
                }
            )
    return pl.DataFrame(rows, schema=SLICES)
