"""Inputs of the tables and figures of source tracing."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from spoofscope.metrics.decided import SCHEMA as DECIDED
from spoofscope.metrics.slices import SCHEMA
from spoofscope.tables import read_table
from spoofscope.tracing.fitted import read_tracer

UNCHECKED = "not checked: dev has no unknown attack"
"""Of the polarity of a detector of unknown attacks: nobody knows whether its sign is right."""

_OPTIONAL = ("estimate", "low", "high", "reason")
_SET = ("name", "corpus", "split")
_ORDER = {"eval": 0, "dev": 1, "train": 2}


def settings_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `tracer.json` behind an entry of what is traced.

    Raises:
        DetectorError: as `tracing.fitted.read_tracer`.
    """
    return read_tracer(Path(entry["tracer"]).parent)


def polarity(settings: Mapping[str, Any], detector: str) -> str:
    """How it is known that a higher score of a detector means more unknown.

    Args:
        settings: what :func:`settings_of` gives.
        detector: the name of a detector of unknown attacks.
    """
    config = settings["ood"][detector]["settings"]
    if config.get("as_published", False):
        return "inverted on purpose"
    if detector not in settings["meta"]["dev_auroc"]:
        return UNCHECKED
    return "fitted on dev" if config["type"] == "gate" else "checked on dev"


def evaluation_first(traced: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Entries by corpus; evaluation sets come first: numbers on development sets are optimistic."""
    return sorted(traced, key=lambda entry: (entry["corpus"], _ORDER[entry["split"]]))


def read_measures(path: str | Path) -> pl.DataFrame:
    """Metrics of a traced split, see `metrics.slices`; absent estimates and intervals are null."""
    required = {name: kind for name, kind in SCHEMA.items() if name not in _OPTIONAL}
    return read_table(path, required, {name: SCHEMA[name] for name in _OPTIONAL})


def read_decided(path: str) -> pl.DataFrame:
    """Metrics of decisions, see `metrics.decided`; absent estimates and intervals are null."""
    required = {name: kind for name, kind in DECIDED.items() if name not in _OPTIONAL}
    return read_table(path, required, {name: DECIDED[name] for name in _OPTIONAL})


def over_seeds(
    traced: Sequence[Mapping[str, Any]],
) -> dict[tuple[str, str, str], list[tuple[Mapping[str, Any], pl.DataFrame]]]:
    """(tracer, corpus, split) to every seed's entry and metrics, evaluation sets first.

    Args:
        traced: the plan's entries, see `plan.tracing.Tracing.traced_metrics`.
    """
    return {
        key: [(entry, read_measures(entry["metrics"])) for entry in of_set]
        for key, of_set in by_set(traced).items()
    }


def by_set(
    traced: Sequence[Mapping[str, Any]],
) -> dict[tuple[str, str, str], list[Mapping[str, Any]]]:
    """(tracer, corpus, split) to the entry of every seed, evaluation sets first."""
    found: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for entry in evaluation_first(traced):
        name, corpus, split = (entry[key] for key in _SET)
        found.setdefault((name, corpus, split), []).append(entry)
    return found


def summary(rows: Sequence[pl.DataFrame], metrics: Sequence[str]) -> dict[str, Any]:
    """Mean and spread over seeds, and the interval of the first one.

    Args:
        rows: of each seed, of one slice and one detector or none.
        metrics: the wanted ones; null where a table lacks one.

    Returns:
        `{metric}` (mean over seeds), `_sd` (sample; null of one seed), `_low` and `_high` (95 %
        interval of the first seed) for each.
    """
    found: dict[str, Any] = {}
    for metric in metrics:
        of_metric = [table.filter(metric=metric) for table in rows]
        values = pl.concat(table["estimate"] for table in of_metric).drop_nulls()
        first = of_metric[0]
        found |= {
            metric: values.mean(),
            f"{metric}_sd": values.std(),
            f"{metric}_low": first["low"][0] if first.height else None,
            f"{metric}_high": first["high"][0] if first.height else None,
        }
    return found
