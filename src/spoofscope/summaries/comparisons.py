"""The table of comparisons: which detectors differ by more than chance, per evaluation set."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.errors import ConfigError
from spoofscope.metrics.paired import ALPHA, SCHEMA, compare
from spoofscope.tables import LABELS, read_manifest, read_scores, read_table

# Empty where so few trials or clusters carry no interval and no p.
_OPTIONAL = ("ci_low", "ci_high", "p", "p_holm", "p_smallest")
_COLUMNS = {
    "corpus": pl.String(),
    "split": pl.String(),
    **{name: kind for name, kind in SCHEMA.items() if name not in (*_OPTIONAL, "n_clusters")},
}


def comparisons(
    systems: Sequence[Mapping[str, Any]],
    root: str,
    resamples: int,
    seed: int,
    cluster: str | None,
) -> pl.DataFrame:
    """Paired comparison of all systems that are scored on a set, for each set of both classes.

    Args:
        systems: id, seed, name and sets (corpus, split) of every system; names are unique.
        root: folder of the study's results.
        resamples, seed, cluster: as in `metrics.paired.compare`.

    Returns:
        corpus, split, then the columns of `metrics.paired.compare`, with the systems' names; p is
        null where it is not defined.

    Raises:
        ConfigError: no set of both classes is scored by two of the systems.
        TableError, SpoofscopeError: as `metrics.paired.compare`.
    """
    tables = []
    for corpus, split in dict.fromkeys(
        tuple(pair) for system in systems for pair in system["sets"]
    ):
        own = [system for system in systems if [corpus, split] in system["sets"]]
        trials = read_manifest(f"{root}/manifests/{corpus}.tsv").filter(pl.col("split") == split)
        if len(own) < 2 or trials["label"].n_unique() < len(LABELS):
            continue
        scores = {
            system["name"]: read_scores(
                f"{root}/scores/{system['id']}/seed{system['seed']}/{corpus}.{split}.tsv"
            )
            for system in own
        }
        table = compare(scores, trials, resamples, seed, cluster)
        tables.append(
            table.select(pl.lit(corpus).alias("corpus"), pl.lit(split).alias("split"), pl.all())
        )
    if not tables:
        raise ConfigError(
            "comparisons: no eval set of both classes is scored by two of the systems"
        )
    # What is not a number is an empty field in a table.
    return pl.concat(tables).with_columns(pl.col("p", "p_holm").fill_nan(None))


def read_comparisons(path: str) -> pl.DataFrame:
    """The table of comparisons; what is not defined is null.

    Raises:
        TableError: as `tables.read_table`.
    """
    return read_table(path, _COLUMNS).with_columns(
        *(pl.col(name).replace("", None).cast(pl.Float64) for name in _OPTIONAL),
        pl.col("n_clusters").replace("", None).cast(pl.Int64),
    )


def within_reach(own: pl.DataFrame) -> str | None:
    """Of the comparisons on one set, why none can be significant; None where one can."""
    row = own.row(0, named=True)
    smallest = row["p_smallest"]
    if smallest is not None and smallest < ALPHA:
        return None
    n, what = row["n_clusters"], "speakers (or what is resampled)"
    if n is None:
        n, what = min(row["n_bonafide"], row["n_spoof"]), "trials of the rarer class"
    pairs = own.height // own["metric"].n_unique()
    least = "there is no p value" if smallest is None else f"p is at least {smallest:.2g}"
    many = f"{pairs} pair{'s' if pairs != 1 else ''}"
    return f"none can be significant: {many}, {n} {what}; {least} after correction"
