"""How well attributions find artefacts whose place is known: planted ones, or labelled segments.

Only spoofed utterances with segments of the tier `artefact` can answer. In time, a frame is
positive when its centre lies in such a segment. Over frequency, a band is positive when it overlaps
the band of such a segment; a segment without a band is about all frequencies. Where nearly all
frames or bands are positive, or none is, there is nothing to find: these utterances are left out
and counted.

Every metric stands beside what it is by chance: its mean over all circular shifts of the positive
frames (or bands) against the evidence. A shift keeps how many and how long the artefacts are, and
how slowly the evidence changes, and breaks only that one lies at the other. NumPy only.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.attribution.store import Explanation
from spoofscope.errors import TableError
from spoofscope.identity import rng_of
from spoofscope.metrics.correlation import mean_interval
from spoofscope.metrics.limits import LEAST_CLIPS, QUANTILE
from spoofscope.metrics.tables import clusters_of_explained
from spoofscope.names import ALL
from spoofscope.options import check_resamples
from spoofscope.places import EVERYWHERE, Place, positive_bands, positive_frames, times_within
from spoofscope.tables import read_table

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Axis = Literal["time", "band"]

LARGEST = (5, 10, 20, 50)
"""Per cent of the frames (or bands) whose intersection over union with the artefact is measured."""

METRICS = (
    *("auc_evidence", "auc_magnitude", "average_precision", "pointing", "iou"),
    *(f"iou_{share}" for share in LARGEST),
)
"""Per utterance, each in [0, 1]: see :func:`localise`."""

COVERAGE = "coverage"
"""Share of the frames (or bands) that are positive; it has no chance."""


_CLUSTER = "cluster of the bootstrap"
_PER_UTTERANCE: dict[str, pl.DataType] = {
    **dict.fromkeys(("utt_id", "attack", "method", "axis", "status"), pl.String()),
    COVERAGE: pl.Float64(),
    **{f"{name}{part}": pl.Float64() for name in METRICS for part in ("", "_chance", "_variance")},
}
_SUMMARY: dict[str, pl.DataType] = {
    **dict.fromkeys(("method", "axis", "attack", "metric"), pl.String()),
    **dict.fromkeys(("value", "ci_low", "ci_high"), pl.Float64()),
    **dict.fromkeys(("chance", "chance_low", "chance_high"), pl.Float64()),
    **dict.fromkeys(("n", "clusters", "n_global", "n_without"), pl.Int64()),
}


# --- metrics: of values (n,) and positive frames (..., n), equally many in every row -------------


def area_under_curve(values: Floats, positive: Mask) -> Floats:
    """AUC of the values, positive against other frames; ties count one half."""
    from scipy.stats import rankdata

    n = int(positive.sum(axis=-1).flat[0])
    above = positive @ rankdata(values) - n * (n + 1) / 2
    area: Floats = above / (n * (values.size - n))
    return area


def average_precision(values: Floats, positive: Mask) -> Floats:
    """Average precision: the mean precision over recalls, tied values taken at once."""
    order = np.argsort(-values, kind="stable")
    found = np.cumsum(positive[..., order], axis=-1, dtype=np.float64)
    last = np.flatnonzero(np.append(np.diff(values[order]) != 0, True))
    precision = found[..., last] / (last + 1)
    recall = found[..., last] / found[..., -1:]
    steps = np.diff(recall, axis=-1, prepend=0.0)
    mean: Floats = (steps * precision).sum(axis=-1)
    return mean


def pointing_game(values: Floats, positive: Mask) -> Floats:
    """Whether the largest value is at a positive frame; the share of them, if several are largest.

    Zhang et al., "Top-down neural attention by excitation backprop" (ECCV 2016).
    """
    hit: Floats = positive[..., values == values.max()].mean(axis=-1, dtype=np.float64)
    return hit


def iou_of_largest(values: Floats, positive: Mask, count: int) -> Floats:
    """Intersection over union of the `count` largest values with the positive frames.

    Frames tied at the cut are counted by the share of them that fits.
    """
    threshold = np.sort(values)[-count]
    above, tied = values > threshold, values == threshold
    weights = above + tied * ((count - int(above.sum())) / int(tied.sum()))
    hits = positive @ weights
    iou: Floats = hits / (count + positive.sum(axis=-1) - hits)
    return iou


def measured(evidence: Floats, positive: Mask) -> dict[str, Floats]:
    """All `METRICS` of evidence (n,), for one or several rows of positive frames (..., n)."""
    n = evidence.size
    return {
        "auc_evidence": area_under_curve(evidence, positive),
        "auc_magnitude": area_under_curve(np.abs(evidence), positive),
        "average_precision": average_precision(evidence, positive),
        "pointing": pointing_game(evidence, positive),
        "iou": iou_of_largest(evidence, positive, int(positive.sum(axis=-1).flat[0])),
        **{
            f"iou_{share}": iou_of_largest(evidence, positive, max(1, round(share * n / 100)))
            for share in LARGEST
        },
    }


def shifted(positive: Mask) -> Mask:
    """All circular shifts of the positive frames (n,): (n, n), the unshifted one first."""
    n = positive.size
    return positive[(np.arange(n) - np.arange(n)[:, None]) % n]


# --- utterances ----------------------------------------------------------------------------------


def localise(
    explanations: Iterable[Explanation], segments: pl.DataFrame, seconds: Mapping[str, float]
) -> pl.DataFrame:
    """Compare the attribution of each spoofed utterance with its artefact segments.

    Columns: utt_id, attack, method, axis (`time`; `band` where the rows of maps are any), status,
    coverage (share of positive frames, or bands), and of each of `METRICS` its value, its mean over
    all circular shifts (`_chance`) and its variance over them (`_variance`). The status is `local`
    for utterances that have positive and negative frames among those that the detector saw;
    `global` where more than 95 % are positive, `none` where none is: their metrics are null.

    * `auc_evidence`: tie-aware AUC of the evidence for spoof, positive against negative frames.
      `auc_magnitude`: the same with the size of the attribution, whatever its sign.
    * `average_precision`: of the evidence for spoof.
    * `pointing`: 1 where the frame with the most evidence for spoof is positive.
    * `iou`: intersection over union of the positive frames with as many frames of the most evidence
      for spoof; `iou_5`, `iou_10`, ...: with that many per cent of the frames.

    Over frequency the same of the evidence of each band, summed over time.

    Args:
        explanations: of one detector; bona fide utterances are left out.
        segments: see `tables.read_segments`.
        seconds: durations of the utterances.

    Raises:
        TableError: no explained utterance has an artefact segment: the segments are of another
            corpus, or the corpus has none.
    """
    places = _places(segments)
    rows: list[dict[str, Any]] = []
    for explanation in explanations:
        if explanation.label != "spoof":
            continue
        known = places.get(explanation.utt_id, [])
        evidence = explanation.evidence("spoof")[explanation.seen]
        hop = explanation.settings.hop_seconds
        times = times_within(explanation.times, seconds[explanation.utt_id], hop)
        positive = positive_frames(times, known)[explanation.seen]
        rows.append(_compared(explanation, "time", evidence, positive))
        # Methods with one value per frame have no bands, whatever the front-end.
        if explanation.settings.row_axis == "band":
            inside = positive_bands(explanation.settings.band_edges, known)
            rows.append(_compared(explanation, "band", band_evidence(explanation), inside))
    table = pl.DataFrame(rows, schema=_PER_UTTERANCE)
    if (table["status"] == "none").all():
        raise TableError(
            "no explained spoof has a segment of the tier 'artefact'; attributions can only be "
            "localised on a corpus that says where its artefacts are"
        )
    return table.sort("axis", "attack", "utt_id", descending=[True, False, False])


def _places(segments: pl.DataFrame) -> dict[str, list[Place]]:
    """Where the artefacts of each utterance are."""
    fields = [name for name in Place._fields if name in segments.columns]
    places: dict[str, list[Place]] = {}
    artefacts = segments.filter(pl.col("tier") == "artefact")
    for utt_id, *place in artefacts.select("utt_id", *fields).iter_rows():
        places.setdefault(utt_id, []).append(Place(*place))
    return places


def band_evidence(explanation: Explanation) -> Floats:
    """What each row of a map adds to the score of spoof, summed over time, (rows,)."""
    sums: Floats = explanation.map.sum(axis=1, dtype=np.float64)
    return sums if explanation.settings.target == "spoof" else -sums


def _compared(
    explanation: Explanation, axis: Axis, evidence: Floats, positive: Mask
) -> dict[str, Any]:
    coverage = float(positive.mean())
    row: dict[str, Any] = {
        "utt_id": explanation.utt_id,
        "attack": explanation.attack,
        "method": explanation.settings.method,
        "axis": axis,
    }
    if coverage == 0 or coverage > EVERYWHERE:
        return {**row, "status": "global" if coverage else "none"}
    row.update(status="local", coverage=coverage)
    for name, values in measured(evidence, shifted(positive)).items():
        row[name] = float(values[0])
        row[f"{name}_chance"] = float(values.mean())
        row[f"{name}_variance"] = float(values.var())
    return row


# --- means ---------------------------------------------------------------------------------------


def summarise(
    table: pl.DataFrame,
    trials: pl.DataFrame,
    *,
    resamples: int,
    seed: int,
    cluster: str | None = None,
) -> pl.DataFrame:
    """Means over utterances, per method, axis and attack, and for all attacks (attack `all`).

    Columns: method, axis, attack, metric (of `METRICS`, and `coverage`), value, ci_low, ci_high (95
    % percentile bootstrap, see `metrics.correlation.mean_interval`; null under 8 utterances, or 8
    speakers where these are drawn), chance (mean over all circular shifts), chance_low and
    chance_high (between them lie 95 % of such means where every utterance is shifted at random; by
    the normal approximation; null under 8 utterances), n (utterances behind the value), clusters
    (null where utterances are drawn), n_global and n_without (left out). An attack without local
    artefacts has null values and n = 0. What is above chance has ci_low > chance_high.

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
    for (method, axis), of_axis in table.group_by("method", "axis", maintain_order=True):
        for attack in [ALL, *of_axis["attack"].unique().sort()]:
            part = of_axis if attack == ALL else of_axis.filter(pl.col("attack") == attack)
            local = part.filter(pl.col("status") == "local")
            clusters = None if drawn is None else local[_CLUSTER].to_numpy()
            counts = {
                "n": local.height,
                "clusters": None if clusters is None else np.unique(clusters).size,
                "n_global": int((part["status"] == "global").sum()),
                "n_without": int((part["status"] == "none").sum()),
            }
            for metric in (*METRICS, COVERAGE):
                row: dict[str, Any] = {"method": method, "axis": axis, "attack": attack}
                row.update(metric=metric, **counts)
                if local.height:
                    values = local[metric].to_numpy()
                    rng = rng_of("localisation bootstrap", seed, axis, attack, metric)
                    interval = mean_interval(values, resamples, rng, clusters, share=True)
                    row["value"] = float(values.mean())
                    if interval is not None:
                        row.update(ci_low=interval.low, ci_high=interval.high)
                    if metric != COVERAGE:
                        row.update(_chance(local, metric))
                rows.append(row)
    return pl.DataFrame(rows, schema=_SUMMARY)


def _chance(local: pl.DataFrame, metric: str) -> Mapping[str, float | None]:
    """The mean of a metric by chance, and where 95 % of such means lie."""
    chance = float(local[f"{metric}_chance"].to_numpy().mean())
    if local.height < LEAST_CLIPS:
        return {"chance": chance}
    spread = QUANTILE * np.sqrt(local[f"{metric}_variance"].to_numpy().sum()) / local.height
    return {
        "chance": chance,
        "chance_low": max(0.0, chance - spread),
        "chance_high": min(1.0, chance + spread),
    }


def read_localisation(path: str) -> pl.DataFrame:
    """The table of :func:`summarise`; an undefined value is null.

    Raises:
        TableError: as `tables.read_table`.
    """
    optional = {name: kind for name, kind in _SUMMARY.items() if kind == pl.Float64()}
    required = {name: kind for name, kind in _SUMMARY.items() if name not in optional}
    clusters = {"clusters": required.pop("clusters")}
    return read_table(path, required, {**optional, **clusters}).select(list(_SUMMARY))


def is_above_chance(row: Mapping[str, Any]) -> bool | None:
    """Whether the interval of a mean lies above what it is by chance; None where there is none."""
    if row["ci_low"] is None or row["chance_high"] is None:
        return None
    return bool(row["ci_low"] > row["chance_high"])
