"""Published numbers of detectors beside those of the study, and whether they agree."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.exhibits import Table
from spoofscope.names import NONE, POOLED
from spoofscope.summaries.inputs import read_metrics
from spoofscope.summaries.literature import verdict
from spoofscope.tables import read_table, write_table

TABLE = Table(
    title="Published numbers",
    shows="Published numbers of detectors beside those of this study, and whether they agree.",
    caption=(
        "One row per published number. identical: all published digits are the same. equivalent: "
        "the 95 % interval of the study holds the published number. differs: it does not; that is "
        "no test, because the published number has an uncertainty of its own. not comparable: for "
        "the reason in the column why, which also says where an agreement tells little. ours is "
        "the mean over n_seeds seeds, its interval that of the first, both in the unit of the "
        "published number."
    ),
    needs="metrics_beside_others",
    place=35,
    printed=(
        "name",
        "corpus",
        "split",
        "metric",
        "unit",
        "published",
        "ours",
        "verdict",
        "source",
        "place",
    ),
)

_FACTOR = {"share": 1.0, "percent": 100.0}


def make(
    systems: Sequence[Mapping[str, Any]],
    metrics: Sequence[str],
    references: Sequence[Mapping[str, Any]],
    outputs: Mapping[str, str],
) -> None:
    """Write the table, see :func:`published`."""
    ids = {system["name"]: system["id"] for system in systems}
    write_table(outputs["table"], published(ids, read_metrics(metrics), references))


def published(
    ids: Mapping[str, str], metrics: pl.DataFrame, references: Sequence[Mapping[str, Any]]
) -> pl.DataFrame:
    """Every published number beside that of the system that is like it.

    Args:
        ids: name to id of the systems.
        metrics: as `summaries.inputs.read_metrics` reads them.
        references: the section `published` of the study file.

    Returns:
        name, corpus, split, metric, unit, published (the value as it is printed), seeds, source,
        place, doi ("-" where they are not known); ours, ours_low, ours_high, n_seeds of the study,
        verdict and why.
    """
    pooled = metrics.filter(condition=POOLED)
    return pl.DataFrame([_row(ids, pooled, one) for one in references], schema=_SCHEMA)


def _row(
    ids: Mapping[str, str], pooled: pl.DataFrame, reference: Mapping[str, Any]
) -> dict[str, Any]:
    """The mean over seeds, and the interval of the first, as in the table `headline`."""
    seeds = pooled.filter(
        pl.col("value").is_not_null(),
        system=ids[reference["system"]],
        **{key: reference[key] for key in ("corpus", "split", "metric")},
    )
    factor = _FACTOR[reference["unit"]]
    value, low, high = (
        None if share is None else float(str(share)) * factor
        for share in (
            (seeds["value"].mean(), seeds["ci_low"][0], seeds["ci_high"][0])
            if seeds.height
            else (None, None, None)
        )
    )
    said, why = verdict(
        {"value": reference["value"], "unlike": reference.get("unlike", NONE)},
        value,
        low,
        high,
        top=factor,
    )
    return {
        "name": reference["system"],
        **{key: reference[key] for key in ("corpus", "split", "metric", "unit")},
        "published": reference["value"],
        "seeds": str(reference.get("seeds") or NONE),
        "source": reference["source"],
        "place": reference["place"],
        "doi": reference.get("doi", NONE),
        "ours": value,
        "ours_low": low,
        "ours_high": high,
        "n_seeds": seeds.height or None,
        "verdict": said,
        "why": why,
    }


_SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(("name", "corpus", "split", "metric", "unit", "published"), pl.String()),
    **dict.fromkeys(("seeds", "source", "place", "doi"), pl.String()),
    **dict.fromkeys(("ours", "ours_low", "ours_high"), pl.Float64()),
    "n_seeds": pl.Int64(),
    **dict.fromkeys(("verdict", "why"), pl.String()),
}


def read_published(path: str) -> pl.DataFrame:
    """The table; what is not defined is null.

    Raises:
        TableError: as `tables.read_table`.
    """
    numbers = ("ours", "ours_low", "ours_high", "n_seeds")
    required = {name: kind for name, kind in _SCHEMA.items() if name not in numbers}
    return read_table(path, required, {name: _SCHEMA[name] for name in numbers})
