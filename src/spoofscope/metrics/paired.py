"""Do two detectors differ, or did they only meet other trials? Paired bootstrap over all pairs.

All detectors are judged on the same resampled trials, so what makes a draw hard or easy for both
cancels in their difference, which is therefore known far better than two separate intervals
suggest.
"""

import itertools
import logging
from collections.abc import Mapping

import numpy as np
import polars as pl

from spoofscope.errors import SpoofscopeError, TableError
from spoofscope.identity import rng_of
from spoofscope.metrics.bootstrap import Resamples, p_value, percentile_interval, resample_together
from spoofscope.metrics.correlation import holm
from spoofscope.metrics.rates import eer, min_dcf
from spoofscope.metrics.tables import clusters_of
from spoofscope.tables import LABELS, join_scores

_LOGGER = logging.getLogger(__name__)

METRICS = ("eer", "min_dcf")
ALPHA = 0.05
SCHEMA: dict[str, pl.DataType] = {
    "first": pl.String(),
    "second": pl.String(),
    "metric": pl.String(),
    "value_first": pl.Float64(),
    "value_second": pl.Float64(),
    "difference": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "p": pl.Float64(),
    "p_holm": pl.Float64(),
    "n_bonafide": pl.Int64(),
    "n_spoof": pl.Int64(),
    "n_clusters": pl.Int64(),
}


def compare(
    systems: Mapping[str, pl.DataFrame],
    trials: pl.DataFrame,
    resamples: int,
    seed: int,
    cluster: str | None = None,
) -> pl.DataFrame:
    """Differences of EER and minDCF between every two detectors.

    Args:
        systems: name to a table utt_id, score; joined to the trials by id.
        trials: utt_id, label and, where it is asked for, the cluster column.
        resamples: bootstrap resamples, at least 1. The p value cannot be below
            2 / (resamples + 1), and Holm's correction multiplies it by up to the number of pairs.
        seed: of the bootstrap.
        cluster: column whose values are resampled as a whole (`speaker`); None resamples trials
            within their class. Of n clusters p cannot be below 2^(1 - n): so likely are they to
            favour one detector all alike by chance, and resamples of few clusters do not know that.

    Returns:
        One row per pair and metric: first, second, metric, value_first, value_second, difference
        (first minus second: negative where the first is better), ci_low and ci_high (95 %), p
        (two-sided, of no difference), p_holm (Holm's correction over the pairs of that metric),
        n_bonafide, n_spoof, n_clusters (null where trials are resampled).

    Raises:
        TableError: a detector's ids are not exactly the trials, or there is no such column.
        SpoofscopeError: fewer than two detectors, one class only, no resamples, a score that is not
            finite, or fewer than two clusters.
    """
    if len(systems) < 2:
        raise SpoofscopeError("a comparison needs at least two detectors")
    if resamples < 1:
        raise SpoofscopeError("a comparison needs resamples; `bootstrap.resamples` is 0")
    if cluster is not None and cluster not in trials.columns:
        raise TableError(f"the trials have no column {cluster!r} to resample by")
    n_clusters = None if cluster is None else clusters_of(trials, cluster).n_unique()
    smallest_p = 0.0 if n_clusters is None else 2.0 ** (1 - n_clusters)
    pairs = len(systems) * (len(systems) - 1) // 2
    if resamples < 40 * pairs:
        _LOGGER.warning(
            "%d resamples are too few for %d pairs: after the correction no difference can be "
            "significant at 5 %%; take at least %d",
            resamples,
            pairs,
            40 * pairs,
        )
    if smallest_p * pairs >= ALPHA:
        _LOGGER.warning(
            "%d values of %s are too few for %d pairs: after the correction no difference can be "
            "significant at 5 %%; compare fewer detectors",
            n_clusters,
            cluster,
            pairs,
        )
    # Sums of floats depend on their order; the order of the rows must not show in the numbers.
    trials = trials.sort("utt_id")
    is_bonafide = (trials["label"] == LABELS[0]).to_numpy()
    scores = {}
    for name, frame in systems.items():
        joined = join_scores(frame, trials, scores_name=name, trials_name="the trials")
        values = joined["score"].to_numpy()
        scores[name] = values[is_bonafide], values[~is_bonafide]
    clusters = None
    if cluster is not None:
        numbers = clusters_of(trials, cluster).rank("dense").to_numpy()
        clusters = numbers[is_bonafide], numbers[~is_bonafide]
    drawn = dict(
        zip(
            scores,
            resample_together(
                list(scores.values()), resamples, rng_of(seed, "comparison"), clusters
            ),
            strict=True,
        )
    )
    values_of = {name: (eer(*pair).value, min_dcf(*pair)) for name, pair in scores.items()}
    counts = {
        "n_bonafide": int(is_bonafide.sum()),
        "n_spoof": int((~is_bonafide).sum()),
        "n_clusters": n_clusters,
    }
    rows = []
    for place, metric in enumerate(METRICS):
        for first, second in itertools.combinations(scores, 2):
            differences = _of(drawn[first], metric) - _of(drawn[second], metric)
            interval = percentile_interval(differences)
            value_first, value_second = values_of[first][place], values_of[second][place]
            rows.append(
                {
                    "first": first,
                    "second": second,
                    "metric": metric,
                    "value_first": value_first,
                    "value_second": value_second,
                    "difference": value_first - value_second,
                    "ci_low": interval.low,
                    "ci_high": interval.high,
                    "p": max(p_value(differences), smallest_p),
                    **counts,
                }
            )
    table = pl.DataFrame(rows, schema={k: t for k, t in SCHEMA.items() if k != "p_holm"})
    corrected = [
        holm(table.filter(pl.col("metric") == metric)["p"].to_numpy()) for metric in METRICS
    ]
    return table.with_columns(p_holm=pl.Series(np.concatenate(corrected))).select(list(SCHEMA))


def _of(resamples: Resamples, metric: str) -> np.ndarray:
    return resamples.eer if metric == "eer" else resamples.min_dcf
