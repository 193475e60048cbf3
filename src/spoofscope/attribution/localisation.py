"""How well attributions find artefacts whose place is known: planted ones, or labelled segments.

Only spoofed utterances with segments of the tier `artefact` can answer. A frame is positive when
its centre lies in such a segment. Where nearly all frames are positive (a global artefact), or none
is, there is nothing to find: these utterances are left out and counted. NumPy only.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.attribution.store import Explanation
from spoofscope.errors import TableError
from spoofscope.identity import rng_of
from spoofscope.metrics.correlation import mean_interval
from spoofscope.metrics.rates import auc
from spoofscope.metrics.tables import clusters_of_explained
from spoofscope.names import ALL
from spoofscope.options import check_resamples

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

METRICS = ("auc_evidence", "auc_magnitude", "pointing", "iou", "coverage", "iou_chance")
"""Per utterance, each in [0, 1]: see :func:`localise`."""

# A global artefact may miss a frame at the end of a clip, where its segment's times were rounded.
_GLOBAL = 0.95

_CLUSTER = "cluster of the bootstrap"
_PER_UTTERANCE: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "attack": pl.String(),
    "status": pl.String(),
    **{name: pl.Float64() for name in METRICS},
}
_SUMMARY: dict[str, pl.DataType] = {
    "attack": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "n": pl.Int64(),
    "clusters": pl.Int64(),
    "n_global": pl.Int64(),
    "n_without": pl.Int64(),
}


def positive_frames(times: Floats, segments: Iterable[tuple[float, float]]) -> Mask:
    """Which frames, by their centres (n,) in seconds, lie in a segment [start, end)."""
    inside = np.zeros(times.size, dtype=bool)
    for start, end in segments:
        inside |= (times >= start) & (times < end)
    return inside


def pointing_game(values: Floats, positive: Mask) -> float:
    """Whether the largest value is at a positive frame; the share of them, if several are largest.

    Zhang et al., "Top-down neural attention by excitation backprop" (ECCV 2016).
    """
    return float(np.mean(positive[values == values.max()]))


def expected_iou(hits: float, chosen: int, positives: int) -> float:
    """Intersection over union of a choice of frames that holds `hits` of the positives."""
    return hits / (chosen + positives - hits)


def iou_at_coverage(values: Floats, positive: Mask) -> float:
    """Intersection over union of the k largest values with the k positive frames.

    Frames tied at the cut are counted by the share of them that fits.
    """
    count = int(positive.sum())
    threshold = np.sort(values)[-count]
    above, tied = values > threshold, values == threshold
    share = (count - int(above.sum())) / int(tied.sum())
    hits = float(positive[above].sum()) + share * float(positive[tied].sum())
    return expected_iou(hits, count, count)


def localise(explanations: Iterable[Explanation], segments: pl.DataFrame) -> pl.DataFrame:
    """Compare the attribution of each spoofed utterance with its artefact segments.

    Columns: utt_id, attack, status and `METRICS`. The status is `local` for utterances that have
    positive and negative frames among those that the detector saw; `global` where more than 95 %
    are positive, `none` where none is: their metrics are null.

    * `auc_evidence`: tie-aware AUC of the evidence for spoof, positive against negative frames;
      0.5 = chance. `auc_magnitude`: the same with the size of the attribution, whatever its sign.
    * `pointing`: 1 where the frame with the most evidence for spoof is positive; chance is
      `coverage`, the share of positive frames.
    * `iou`: intersection over union of the positive frames with as many frames of the most evidence
      for spoof; `iou_chance` is that of a random choice with the expected number of hits.

    Args:
        explanations: of one detector; bona fide utterances are left out.
        segments: utt_id, start, end, tier, label.

    Raises:
        TableError: no explained utterance has an artefact segment: the segments are of another
            corpus, or the corpus has none.
    """
    artefacts = segments.filter(pl.col("tier") == "artefact")
    places: dict[str, list[tuple[float, float]]] = {}
    for utt_id, start, end in artefacts.select("utt_id", "start", "end").iter_rows():
        places.setdefault(utt_id, []).append((start, end))
    rows: list[dict[str, Any]] = []
    for explanation in explanations:
        if explanation.label == "spoof":
            rows.append(_localise_one(explanation, places.get(explanation.utt_id, [])))
    table = pl.DataFrame(rows, schema=_PER_UTTERANCE)
    if (table["status"] == "none").all():
        raise TableError(
            "no explained spoof has a segment of the tier 'artefact'; attributions can only be "
            "localised on a corpus that says where its artefacts are"
        )
    return table.sort("attack", "utt_id")


def _localise_one(explanation: Explanation, places: list[tuple[float, float]]) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(METRICS)
    row.update(utt_id=explanation.utt_id, attack=explanation.attack)
    positive = positive_frames(explanation.times, places)[explanation.seen]
    evidence = explanation.evidence("spoof")[explanation.seen]
    coverage = float(positive.mean())
    if coverage == 0 or coverage > _GLOBAL:
        return {**row, "status": "global" if coverage else "none"}
    count = int(positive.sum())
    magnitude = np.abs(evidence)
    return {
        **row,
        "status": "local",
        "auc_evidence": auc(evidence[positive], evidence[~positive]),
        "auc_magnitude": auc(magnitude[positive], magnitude[~positive]),
        "pointing": pointing_game(evidence, positive),
        "iou": iou_at_coverage(evidence, positive),
        "coverage": coverage,
        "iou_chance": expected_iou(coverage * count, count, count),
    }


def summarise(
    table: pl.DataFrame,
    trials: pl.DataFrame,
    *,
    resamples: int,
    seed: int,
    cluster: str | None = None,
) -> pl.DataFrame:
    """Means over utterances, per attack and for all of them (attack `all`).

    Columns: attack, metric, value, ci_low, ci_high (95 % percentile bootstrap, see
    `metrics.correlation.mean_interval`; null under 8 utterances, or 8 speakers where these are
    drawn), n (utterances behind the value), clusters (null where utterances are drawn), n_global
    and n_without (left out). An attack without local artefacts has null values and n = 0.

    Args:
        table: of :func:`localise`.
        trials: utt_id and the cluster column of its utterances.
        resamples: 0 makes no intervals.
        seed: of the bootstrap.
        cluster: column whose values are resampled as wholes, see `metrics.tables.resampled_by`.

    Raises:
        TableError: an utterance is no trial; as `metrics.tables.resampled_by`.
    """
    check_resamples(resamples, "bootstrap.resamples")
    drawn = clusters_of_explained(table, trials, cluster, resamples)
    if drawn is not None:
        table = table.with_columns(drawn.alias(_CLUSTER))
    rows: list[dict[str, Any]] = []
    for attack in [ALL, *table["attack"].unique().sort()]:
        part = table if attack == ALL else table.filter(pl.col("attack") == attack)
        local = part.filter(pl.col("status") == "local")
        clusters = None if drawn is None else local[_CLUSTER].to_numpy()
        for metric in METRICS:
            row: dict[str, Any] = {
                "attack": attack,
                "metric": metric,
                "n": local.height,
                "clusters": None if clusters is None else np.unique(clusters).size,
                "n_global": int((part["status"] == "global").sum()),
                "n_without": int((part["status"] == "none").sum()),
            }
            if local.height:
                values = local[metric].to_numpy()
                rng = rng_of("localisation bootstrap", seed, attack, metric)
                interval = mean_interval(values, resamples, rng, clusters, share=True)
                row["value"] = float(values.mean())
                if interval is not None:
                    row.update(ci_low=interval.low, ci_high=interval.high)
            rows.append(row)
    return pl.DataFrame(rows, schema=_SUMMARY)
