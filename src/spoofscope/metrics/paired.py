"""Do two detectors differ, or did they only meet other trials? Paired bootstrap over all pairs.

All detectors are judged on the same resampled trials, so what makes a draw hard or easy for both
cancels in their difference, which is therefore known far better than two separate intervals
suggest.
"""

import itertools
import logging
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from scipy.special import stdtr

from spoofscope.errors import SpoofscopeError
from spoofscope.metrics import bootstrap
from spoofscope.metrics.bootstrap import Sample, p_value
from spoofscope.metrics.correlation import holm
from spoofscope.metrics.limits import (
    Interval,
    Trials,
    clopper_pearson,
    hull,
    percentile_interval,
    smallest_p,
    standard_error,
    student_interval,
    within,
)
from spoofscope.metrics.rates import Floats, check_scores, eer, min_dcf
from spoofscope.metrics.tables import draw
from spoofscope.options import check_resamples
from spoofscope.tables import LABELS, join_scores

_LOGGER = logging.getLogger(__name__)

METRICS = ("eer", "min_dcf")
ALPHA = 0.05
FARTHEST = {"eer": 1.0, "min_dcf": 1.9}
"""How much the metric changes with an error rate: minDCF is min 1.9 P_miss + P_fa."""
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
    "p_smallest": pl.Float64(),
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
        trials: utt_id, label and the cluster column.
        resamples: bootstrap resamples, at least 100. The p value cannot be below
            2 / (resamples + 1), and Holm's correction multiplies it by up to the number of pairs.
        seed: of the bootstrap.
        cluster: column whose values are resampled as a whole, see `metrics.tables.resampled_by`: by
            default the speakers where they are known; "none" resamples trials within their class.

    p cannot be below 2^(1 - n) either, n the trials, or clusters, of the class that has fewer: so
    likely are they to favour one detector all alike by chance, and resamples of few do not know
    that. Nor are p and the interval surer than Student's t, see :func:`tested`. Where n is below
    two, p is not a number (an empty field in a study's table). Where all resamples are the same,
    the interval reaches as far from the difference as the exact binomial one of 0 in n trials from
    0 (see `metrics.limits`).

    Returns:
        One row per pair and metric: first, second, metric, value_first, value_second, difference
        (first minus second: negative where the first is better), ci_low and ci_high (95 %), p
        (two-sided, of no difference), p_holm (Holm's correction over the pairs of that metric),
        p_smallest (what p_holm of the pair that differs most cannot be below), n_bonafide, n_spoof,
        n_clusters (null where trials are resampled).

    Raises:
        TableError: a detector's ids are not exactly the trials, or there is no such column.
        SpoofscopeError: fewer than two detectors, one class only, too few resamples, a score that
            is not finite, or fewer than two clusters.
    """
    if len(systems) < 2:
        raise SpoofscopeError("a comparison needs at least two detectors")
    if resamples < 1:
        raise SpoofscopeError("a comparison needs resamples; `bootstrap.resamples` is 0")
    check_resamples(resamples, "comparisons.resamples")
    # Sums of floats depend on their order; the order of the rows must not show in the numbers.
    trials = trials.sort("utt_id")
    draws = draw(trials, resamples, seed, cluster)
    if draws is None:
        raise SpoofscopeError("there are no trials to compare detectors on")
    is_bonafide = (trials["label"] == LABELS[0]).to_numpy()
    units = draws.units[is_bonafide], draws.units[~is_bonafide]
    scores, values_of, drawn = {}, {}, {}
    counted = Trials(0, 0)
    for name, frame in systems.items():
        joined = join_scores(frame, trials, scores_name=name, trials_name="the trials")
        values = joined["score"].to_numpy()
        pair = check_scores(values[is_bonafide], values[~is_bonafide])
        scores[name] = pair
        values_of[name] = eer(*pair).value, min_dcf(*pair)
        sample = Sample(*pair, units, draws)
        counted = sample.counted["rarer"]
        drawn[name] = sample.values([bootstrap.eer, bootstrap.min_dcf], values_of[name])
    floor = smallest_p(counted.units)
    pairs = len(systems) * (len(systems) - 1) // 2
    reachable = None if floor is None else min(1.0, pairs * max(floor, 2 / (resamples + 1)))
    _warn(resamples, pairs, counted.units, draws.clustered, floor)
    counts = {
        "n_bonafide": int(is_bonafide.sum()),
        "n_spoof": int((~is_bonafide).sum()),
        "n_clusters": int(np.unique(draws.units).size) if draws.clustered else None,
        "p_smallest": reachable,
    }
    rows: list[dict[str, Any]] = []
    for place, metric in enumerate(METRICS):
        for first, second in itertools.combinations(scores, 2):
            differences = drawn[first][place] - drawn[second][place]
            value_first, value_second = values_of[first][place], values_of[second][place]
            difference = value_first - value_second
            rows.append(
                {
                    "first": first,
                    "second": second,
                    "metric": metric,
                    "value_first": value_first,
                    "value_second": value_second,
                    "difference": difference,
                    **tested(differences, difference, FARTHEST[metric], counted.units),
                    "p_holm": math.nan,
                    **counts,
                }
            )
    if floor is not None:
        for metric in METRICS:
            of_metric = [row for row in rows if row["metric"] == metric]
            for row, corrected in zip(
                of_metric, holm([row["p"] for row in of_metric]), strict=True
            ):
                row["p_holm"] = float(corrected)
    return pl.DataFrame(rows, schema=SCHEMA)


def tested(
    differences: Floats, difference: float, farthest: float, units: int
) -> dict[str, float | None]:
    """The interval of a difference, and p of there being none.

    Resamples of few clusters vary too little. So neither is surer than Student's t says of the
    standard error in the resamples, times sqrt(n / (n - 1)) for n units. Without that, 9 to 11 of
    100 tests of 7 to 12 speakers would find a difference at 5 % where there is none.

    Args:
        differences: (n_resamples,) of two metrics on the same resamples.
        difference: of the trials themselves.
        farthest: how much the metric changes with an error rate, see :data:`FARTHEST`.
        units: trials or clusters of the class that decides the metric, of the rarer one where both
            do.

    Returns:
        ci_low, ci_high (95 %) and p, at least 2^(1 - units); below two units there is no interval,
        and p is not a number.
    """
    floor = smallest_p(units)
    if floor is None:
        return {"ci_low": None, "ci_high": None, "p": math.nan}
    error = standard_error(differences, units)
    student = within(student_interval(difference, differences, units), -1.0, 1.0)
    interval = hull(percentile_interval(differences), student)
    p = max(p_value(differences), floor)
    if error > 0:
        p = max(p, 2 * float(stdtr(units - 1, -abs(difference) / error)))
    else:
        largest = farthest * clopper_pearson(0, units).high
        interval = within(Interval(difference - largest, difference + largest), -1.0, 1.0)
    return {
        "ci_low": interval.low,
        "ci_high": interval.high,
        "p": p,
    }


def _warn(resamples: int, pairs: int, units: int, clustered: bool, floor: float | None) -> None:
    if resamples < 40 * pairs:
        _LOGGER.warning(
            "%d resamples are too few for %d pairs: after the correction no difference can be "
            "significant at 5 %%; take at least %d",
            resamples,
            pairs,
            40 * pairs,
        )
    if floor is None or floor * pairs >= ALPHA:
        _LOGGER.warning(
            "%d %s of the rarer class are too few for %d pairs: after the correction no difference "
            "can be significant at 5 %%; compare fewer detectors",
            units,
            "clusters" if clustered else "trials",
            pairs,
        )
