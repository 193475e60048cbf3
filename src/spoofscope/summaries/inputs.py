"""Inputs of several figures: scores joined with trials, and metrics tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from spoofscope.tables import join_scores, read_manifest, read_scores, read_table

METRIC_COLUMNS: dict[str, pl.DataType] = {
    "system": pl.String(),
    "seed": pl.Int64(),
    "corpus": pl.String(),
    "split": pl.String(),
    "condition": pl.String(),
    "level": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "n_bonafide": pl.Int64(),
    "n_spoof": pl.Int64(),
}
_OPTIONAL = ("value", "ci_low", "ci_high")


def read_metrics(paths: Sequence[str | Path]) -> pl.DataFrame:
    """All metrics tables in one frame; undefined values and absent intervals are null."""
    required = {name: t for name, t in METRIC_COLUMNS.items() if name not in _OPTIONAL}
    optional = {name: METRIC_COLUMNS[name] for name in _OPTIONAL}
    return pl.concat([read_table(path, required, optional) for path in paths])


def sets_of(scored: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """The (corpus, split) of score files, in their order, each with its files.

    Args:
        scored: the plan's entries for score files, see `plan.scoring.Scores.scored`.
    """
    sets: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for entry in scored:
        sets.setdefault((entry["corpus"], entry["split"]), []).append(entry)
    return sets


def read_scored(scores: str | Path, manifest: str | Path, split: str) -> pl.DataFrame:
    """The trials of one split with their scores."""
    trials = read_manifest(manifest).filter(pl.col("split") == split)
    return join_scores(
        read_scores(scores), trials, scores_name=str(scores), trials_name=f"{manifest} ({split})"
    )
