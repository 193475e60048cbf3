"""What does a mask do to error rates, and do random masks of its size, or energy, do as much?

Scores of masked utterances are held against those of the same utterances unmasked, and against
those under random masks, its controls. All are resampled alike, as in `metrics.paired`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from spoofscope.errors import SpoofscopeError, TableError
from spoofscope.metrics import bootstrap
from spoofscope.metrics.bootstrap import Sample
from spoofscope.metrics.measure import METRICS, threshold_metrics
from spoofscope.metrics.paired import FARTHEST, tested
from spoofscope.metrics.rates import Floats, check_scores
from spoofscope.metrics.tables import draw
from spoofscope.names import BOTH, ENERGY, NONE, SIZE
from spoofscope.options import check_resamples
from spoofscope.tables import LABELS

_Measured = tuple[Floats, Floats]
"""Metrics of the trials (m,), and of all resamples (m, n_resamples)."""

MASKED_METRICS = ("bonafide_rejected", "spoof_accepted", "eer", "min_dcf")
UNMASKED = "unmasked"
SCHEMA: dict[str, pl.DataType] = {
    "against": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "reference": pl.Float64(),
    "difference": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "p": pl.Float64(),
    "n_bonafide": pl.Int64(),
    "n_spoof": pl.Int64(),
    "n_units": pl.Int64(),
    "n_clusters": pl.Int64(),
}
"""Columns of :func:`compare_masked` behind its number of the mask."""


def compare_masked(
    unmasked: Floats,
    masked: Sequence[Mapping[str, Sequence[Floats]]],
    trials: pl.DataFrame,
    threshold: float,
    *,
    resamples: int,
    seed: int,
    cluster: str | None = None,
) -> pl.DataFrame:
    """Differences between masked and unmasked utterances, and between a mask and its controls.

    Args:
        unmasked: (n,) scores, in the order of the trials.
        masked: for each mask at one strength the scores (n,) of the mask, a single one by `-`, and
            of its controls, by what these have in common with it: size, energy, or both; without
            these nothing is held against a control.
        trials: utt_id, label and the cluster column, sorted by utt_id.
        threshold: chosen on other trials; `bonafide_rejected` and `spoof_accepted` are at it.
        resamples, seed, cluster: see `metrics.paired.compare`.

    Returns:
        `number` of the mask and the columns :data:`SCHEMA`: value with the mask, reference without
        it (`against` unmasked), or the mean over the controls (`against` size, energy or both), and
        difference, the first minus the second. p is two-sided, of no difference, see
        `metrics.paired.tested`; n_units are the clusters, or trials, of the class that decides the
        metric. Below two there is no interval, and p is null. n_clusters is null where trials are
        resampled.

    Raises:
        TableError: the trials are not sorted.
        SpoofscopeError: one class only, a score that is not finite, or too few resamples.
    """
    check_resamples(resamples, "masking.resamples")
    if not trials["utt_id"].is_sorted():
        raise TableError("the masked trials are not sorted by utt_id")
    is_bonafide = (trials["label"] == LABELS[0]).to_numpy()
    draws = draw(trials, resamples, seed, cluster)
    if draws is None:
        raise SpoofscopeError("there are no masked trials")
    units = draws.units[is_bonafide], draws.units[~is_bonafide]
    known = {**threshold_metrics(threshold), **METRICS}
    metrics = {name: known[name] for name in MASKED_METRICS}
    forms = [metric.resampled or bootstrap.repeated(metric.of) for metric in metrics.values()]
    counts = {
        "n_bonafide": int(is_bonafide.sum()),
        "n_spoof": int((~is_bonafide).sum()),
        "n_clusters": int(np.unique(draws.units).size) if draws.clustered else None,
    }
    counted = Sample(unmasked[is_bonafide], unmasked[~is_bonafide], units, draws).counted

    def measured(scores: Floats) -> _Measured:
        pair = check_scores(scores[is_bonafide], scores[~is_bonafide])
        values = [float(metric.of(*pair)) for metric in metrics.values()]
        sample = Sample(*pair, units, draws, cuts=[threshold])
        return np.array(values), np.stack(sample.values(forms, values))

    rows: list[dict[str, Any]] = []
    without = measured(unmasked)
    for number, scores in enumerate(masked):
        of_mask = measured(scores[NONE][0])
        references = {UNMASKED: without}
        for matched in (SIZE, ENERGY, BOTH):
            controls = [measured(control) for control in scores.get(matched, ())]
            if controls:
                values, resampled = zip(*controls, strict=True)
                references[matched] = np.mean(values, axis=0), np.mean(resampled, axis=0)
        for against, reference in references.items():
            for i, metric in enumerate(MASKED_METRICS):
                deciding = counted[metrics[metric].counted or "rarer"].units
                difference = float(of_mask[0][i] - reference[0][i])
                rows.append(
                    {
                        "number": number,
                        "against": against,
                        "metric": metric,
                        "value": float(of_mask[0][i]),
                        "reference": float(reference[0][i]),
                        "difference": difference,
                        **tested(
                            of_mask[1][i] - reference[1][i],
                            difference,
                            FARTHEST.get(metric, 1.0),
                            deciding,
                        ),
                        "n_units": deciding,
                        **counts,
                    }
                )
    table = pl.DataFrame(rows, schema={"number": pl.Int64(), **SCHEMA})
    return table.with_columns(pl.col("p").fill_nan(None))
