"""The table of comparisons: which detectors differ by more than chance, per evaluation set."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.errors import ConfigError
from spoofscope.exhibits import Table
from spoofscope.metrics.paired import ALPHA, SCHEMA, compare
from spoofscope.p_values import p_number
from spoofscope.summaries.inputs import sets_of
from spoofscope.tables import LABELS, read_manifest, read_scores, read_table, write_table

TABLE = Table(
    title="Which detectors differ",
    shows="Paired bootstrap of the error rates of every two systems, with Holm's correction.",
    caption=(
        "The table compares every two systems on the same resampled trials, the first minus the "
        "second: a negative difference means that the first is better. A p_holm below 0.05 is "
        "significant after Holm's correction over the pairs of a set. A larger p_holm does not "
        "prove equality; if p_smallest is 0.05 or more, no difference can be significant. "
        "Intervals are 95 % intervals."
    ),
    needs="compared_scores",
    place=30,
    printed=(
        "corpus",
        "split",
        "first",
        "second",
        "metric",
        "value_first",
        "value_second",
        "difference",
        "p_holm",
    ),
)

# Empty if there are too few trials or clusters for an interval and a p.
_OPTIONAL: dict[str, pl.DataType] = {
    **dict.fromkeys(("ci_low", "ci_high", "p", "p_holm", "p_smallest"), pl.Float64()),
    "n_clusters": pl.Int64(),
}
_COLUMNS = {
    "corpus": pl.String(),
    "split": pl.String(),
    **{name: kind for name, kind in SCHEMA.items() if name not in _OPTIONAL},
}


def make(
    scored: Sequence[Mapping[str, Any]],
    outputs: Mapping[str, str],
    *,
    resamples: int,
    bootstrap_seed: int,
    cluster: str | None,
) -> None:
    """Write the table, see :func:`comparisons`."""
    write_table(outputs["table"], comparisons(scored, resamples, bootstrap_seed, cluster))


def comparisons(
    scored: Sequence[Mapping[str, Any]], resamples: int, seed: int, cluster: str | None
) -> pl.DataFrame:
    """Paired comparison of all systems that are scored on a set, for each set of both classes.

    Args:
        scored: of every score file the name of its system, corpus, split, `scores` (the file) and
            `manifest`; names are unique.
        resamples, seed, cluster: as in `metrics.paired.compare`.

    Returns:
        corpus, split, then the columns of `metrics.paired.compare`, with the systems' names; p is
        null where it is not defined.

    Raises:
        ConfigError: no set of both classes is scored by two of the systems.
        TableError, SpoofscopeError: as `metrics.paired.compare`.
    """
    tables = []
    for (corpus, split), of_set in sets_of(scored).items():
        trials = read_manifest(of_set[0]["manifest"]).filter(pl.col("split") == split)
        if len(of_set) < 2 or trials["label"].n_unique() < len(LABELS):
            continue
        scores = {entry["name"]: read_scores(entry["scores"]) for entry in of_set}
        table = compare(scores, trials, resamples, seed, cluster)
        tables.append(
            table.select(pl.lit(corpus).alias("corpus"), pl.lit(split).alias("split"), pl.all())
        )
    if not tables:
        raise ConfigError(
            "comparisons: no eval set of both classes is scored by two of the systems"
        )
    # Not-a-number becomes an empty field in a table.
    return pl.concat(tables).with_columns(pl.col("p", "p_holm").fill_nan(None))


def read_comparisons(path: str) -> pl.DataFrame:
    """The table of comparisons; an undefined value is null.

    Raises:
        TableError: as `tables.read_table`.
    """
    return read_table(path, _COLUMNS, _OPTIONAL)


def within_reach(of_set: pl.DataFrame, compared: str = "pair") -> str | None:
    """Why no comparison on one set can be significant; None if one can.

    Args:
        of_set: the comparisons, several metrics of each.
        compared: what is compared, a noun.
    """
    row = of_set.row(0, named=True)
    smallest = row["p_smallest"]
    if smallest is not None and smallest < ALPHA:
        return None
    n, what = row["n_clusters"], "speakers (or other resampled units)"
    if n is None:
        n, what = min(row["n_bonafide"], row["n_spoof"]), "trials of the rarer class"
    pairs = of_set.height // of_set["metric"].n_unique()
    least = "there is no p value" if smallest is None else f"p is at least {p_number(smallest)}"
    many = f"{pairs} {compared}{'s' if pairs != 1 else ''}"
    return f"no difference can be significant: {many}, {n} {what}; {least} after correction"
