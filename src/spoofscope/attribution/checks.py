"""How faithful the explanations of a detector are, over utterances, and how sure that is.

Each explained utterance has its own checks (see `attribution.faithfulness`); here are their means.
NumPy only.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from spoofscope.identity import rng_of
from spoofscope.metrics.correlation import mean_interval
from spoofscope.metrics.tables import clusters_of_explained
from spoofscope.names import ALL, BONAFIDE
from spoofscope.options import check_resamples
from spoofscope.selection.utterances import sampled

GAINS = {"deletion_gain": "deletion", "insertion_gain": "insertion"}
"""Checks less their controls: means above 0 where explanations are faithful."""

CHECKS = (
    *("deletion", "deletion_control", "insertion", "insertion_control"),
    *("gradient_spearman", "occlusion_spearman", "randomised_spearman"),
)
"""Columns of an explanation's summary; empty where an utterance has none."""

_CLUSTER = "cluster of the bootstrap"
_SCHEMA: dict[str, pl.DataType] = {
    "attack": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "n": pl.Int64(),
    "clusters": pl.Int64(),
}


def check_means(
    summary: pl.DataFrame,
    trials: pl.DataFrame,
    *,
    resamples: int,
    seed: int,
    cluster: str | None = None,
    asked: Sequence[str] = (),
) -> pl.DataFrame:
    """Means of the checks over the random sample: all, bona fide, and those of each attack.

    Utterances that were chosen by their score or by name say nothing about others, and are left
    out.

    Args:
        summary: utt_id, label, attack, chosen_by and `CHECKS` of every explained utterance, null
            where it has none.
        trials: utt_id and the cluster column of its utterances.
        resamples: 0 makes no intervals.
        seed: of the bootstrap.
        cluster: column whose values are resampled as wholes, see `metrics.tables.resampled_by`.
        asked: more checks of the summary, see `attribution_methods.asked_checks`.

    Returns:
        attack (`all`, `bonafide` or the name of one), metric (of `GAINS`, `CHECKS` and `asked`;
        masking in units of the score), value, ci_low and ci_high (95 % percentile bootstrap, see
        `metrics.correlation.mean_interval`; null under 8 utterances, or 8 speakers where these are
        drawn), n (utterances behind the value) and clusters (null where utterances are drawn).

    Raises:
        TableError: an utterance is no trial; as `metrics.tables.resampled_by`.
    """
    check_resamples(resamples, "bootstrap.resamples")
    table = sampled(summary).with_columns(
        pl.when(pl.col("label") == BONAFIDE)
        .then(pl.lit(BONAFIDE))
        .otherwise("attack")
        .alias("attack"),
        *((pl.col(of) - pl.col(f"{of}_control")).alias(name) for name, of in GAINS.items()),
    )
    drawn = clusters_of_explained(table, trials, cluster, resamples)
    if drawn is not None:
        table = table.with_columns(drawn.alias(_CLUSTER))
    groups = [ALL, *sorted(table["attack"].unique(), key=lambda name: (name != BONAFIDE, name))]
    rows: list[dict[str, Any]] = []
    for attack in groups:
        part = table if attack == ALL else table.filter(pl.col("attack") == attack)
        for metric in (*GAINS, *CHECKS, *asked):
            known = part.drop_nulls(metric)
            clusters = None if drawn is None else known[_CLUSTER]
            row: dict[str, Any] = {
                "attack": attack,
                "metric": metric,
                "n": known.height,
                "clusters": None if clusters is None else clusters.n_unique(),
            }
            if known.height:
                values = known[metric].to_numpy()
                rng = rng_of("checks of explanations", seed, attack, metric)
                interval = mean_interval(values, resamples, rng, clusters)
                row["value"] = float(values.mean())
                if interval is not None:
                    row.update(ci_low=interval.low, ci_high=interval.high)
            rows.append(row)
    return pl.DataFrame(rows, schema=_SCHEMA)
