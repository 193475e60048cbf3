"""How well a detector and a tracer together tell bona fide speech, known and unknown attacks."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.exhibits import Table
from spoofscope.metrics.decided import METRICS
from spoofscope.names import NONE
from spoofscope.summaries.traced import by_set, read_decided, summary
from spoofscope.tables import write_table

TABLE = Table(
    title="Bona fide speech, known and unknown attacks",
    shows="How well a detector and a tracer together tell bona fide speech, known and unknown "
    "attacks.",
    caption=(
        "One row per tracer and traced set. A clip is bona fide where the score of the detector "
        "(column bonafide_by) reaches its threshold from dev; of the others, the tracer names the "
        "attack or calls it unknown. macro_f1 is the mean F1 of the classes that occur: bona fide "
        "speech, each known attack, and unknown. bonafide_rejected and spoof_accepted are errors "
        "of both together: a tracer that knows bona fide speech may answer so, too. Each has the "
        "mean over seeds of the tracer, the standard deviation (columns _sd) and the 95 % interval "
        "of the first seed (columns _low and _high), for which whole attacks and whole speakers of "
        "bona fide clips (or texts) are drawn again."
    ),
    needs="decided_metrics",
    place=53,
)


def make(
    decided: Sequence[Mapping[str, Any]], bonafide_by: str, outputs: Mapping[str, str]
) -> None:
    """Write the table, see :func:`decisions_table`."""
    write_table(outputs["table"], decisions_table(decided, bonafide_by))


def decisions_table(decided: Sequence[Mapping[str, Any]], bonafide_by: str) -> pl.DataFrame:
    """The metrics per tracer and set.

    Args:
        decided: name, seed, corpus, split and the file metrics of each tracer, seed and set.
        bonafide_by: the detector.

    Returns:
        name, corpus, split, bonafide_by, n_seeds, n (clips), n_classes (that occur), and the
        metrics.
    """
    rows = []
    for (name, corpus, split), of_set in by_set(decided).items():
        tables = [read_decided(entry["metrics"]) for entry in of_set]
        whole = [table.filter(pl.col("class") == NONE) for table in tables]
        rows.append(
            {
                "name": name,
                "corpus": corpus,
                "split": split,
                "bonafide_by": bonafide_by,
                "n_seeds": len(of_set),
                "n": whole[0]["n"][0],
                "n_classes": tables[0].filter(metric="f1").height,
                **summary(whole, METRICS),
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)
