"""The table of breakdowns: error rates of a detector over attacks, codecs, languages, ..."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.exhibits import Table
from spoofscope.names import MACRO, POOLED
from spoofscope.summaries.inputs import read_metrics
from spoofscope.tables import write_table

TABLE = Table(
    title="Breakdowns",
    shows="Macro average and worst level of every condition, per system and eval set.",
    caption=(
        "For every condition the mean equal error rate over its levels, and the level with the "
        "highest rate, with its interval and its trials; where n_worst levels share that rate, "
        "the first of them. small_levels have fewer than 50 trials "
        "of a class, without_eer lack a class."
    ),
    needs="metrics_by_condition",
    place=40,
    printed=(
        "name",
        "seed",
        "corpus",
        "split",
        "condition",
        "n_levels",
        "macro_eer",
        "worst_level",
        "n_worst",
        "worst_eer",
        "worst_n_bonafide",
        "worst_n_spoof",
    ),
)

_LOGGER = logging.getLogger(__name__)

# With fewer trials of a class, a rate moves in steps of more than 2 %.
SMALL = 50

SCHEMA: dict[str, pl.DataType] = {
    "name": pl.String(),
    "seed": pl.Int64(),
    "corpus": pl.String(),
    "split": pl.String(),
    "condition": pl.String(),
    "n_levels": pl.Int64(),
    "macro_eer": pl.Float64(),
    "macro_low": pl.Float64(),
    "macro_high": pl.Float64(),
    "worst_level": pl.String(),
    "n_worst": pl.Int64(),
    "worst_eer": pl.Float64(),
    "worst_low": pl.Float64(),
    "worst_high": pl.Float64(),
    "worst_n_bonafide": pl.Int64(),
    "worst_n_spoof": pl.Int64(),
    "small_levels": pl.String(),
    "without_eer": pl.String(),
    "without_interval": pl.String(),
}


def make(
    systems: Sequence[Mapping[str, Any]],
    metrics: Sequence[str],
    conditions: Sequence[str],
    outputs: Mapping[str, str],
) -> None:
    """Write the table, see :func:`breakdowns`."""
    write_table(outputs["table"], breakdowns(systems, metrics, conditions))


def breakdowns(
    systems: Sequence[Mapping[str, Any]], metrics: Sequence[str], conditions: Sequence[str]
) -> pl.DataFrame:
    """Macro average and worst level of every condition, per system and set.

    Args:
        systems: id, seed and name of every system.
        metrics: metrics tables of the evaluation sets.
        conditions: those of the study. Corpora have different columns; a condition that no corpus
            has may be misspelt, and a warning names it.

    Returns:
        name, seed, corpus, split, condition, n_levels, macro_eer (mean over the levels that have
        an EER) with its interval, the level with the highest EER (of n_worst that share it, the
        first) with its interval and counts,
        small_levels (those with fewer than `SMALL` trials of a class, separated by commas),
        without_eer (those that lack a class) and without_interval (those that have too few units of
        a class for one, so that the mean has none either; all where nothing is resampled).
    """
    names = {(system["id"], system["seed"]): system["name"] for system in systems}
    table = read_metrics(metrics).filter(
        (pl.col("metric") == "eer") & (pl.col("condition") != POOLED)
    )
    for condition in conditions:
        if not (table["condition"] == condition).any():
            _LOGGER.warning(
                "conditions: no evaluation set has %r as a column of its manifest", condition
            )
    keys = ("system", "seed", "corpus", "split", "condition")
    rows: list[dict[str, Any]] = []
    for (system, seed, corpus, split, condition), of_condition in table.group_by(
        keys, maintain_order=True
    ):
        levels = of_condition.filter(pl.col("level") != MACRO)
        known = levels.filter(pl.col("value").is_not_null())
        row: dict[str, Any] = {
            "name": names[str(system), int(str(seed))],
            "seed": seed,
            "corpus": corpus,
            "split": split,
            "condition": condition,
            "n_levels": levels.height,
            **_macro(of_condition.filter(pl.col("level") == MACRO)),
            "small_levels": _listed(
                known.filter(pl.min_horizontal("n_bonafide", "n_spoof") < SMALL)
            ),
            "without_eer": _listed(levels.filter(pl.col("value").is_null())),
            "without_interval": _listed(known.filter(pl.col("ci_low").is_null())),
        }
        if known.height:
            worst = known.sort("value", descending=True, maintain_order=True).row(0, named=True)
            row |= {
                "worst_level": worst["level"],
                "n_worst": known.filter(value=worst["value"]).height,
                "worst_eer": worst["value"],
                "worst_low": worst["ci_low"],
                "worst_high": worst["ci_high"],
                "worst_n_bonafide": worst["n_bonafide"],
                "worst_n_spoof": worst["n_spoof"],
            }
        rows.append(row)
    return pl.DataFrame(rows, schema=SCHEMA)


def _macro(average: pl.DataFrame) -> dict[str, float | None]:
    row = average.row(0, named=True)
    return {
        "macro_eer": row["value"],
        "macro_low": row["ci_low"],
        "macro_high": row["ci_high"],
    }


def _listed(levels: pl.DataFrame) -> str:
    return ", ".join(levels["level"].to_list())
