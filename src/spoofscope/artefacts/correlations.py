"""Correlations of signal measures with labels, with scores, and with a detector's attribution.

Every table is long and carries p values corrected for all tests of a kind in it: Holm (the chance
of one false discovery) and Benjamini-Hochberg (the expected share of false discoveries).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.artefacts.published import PREFIX, published_eer
from spoofscope.errors import TableError
from spoofscope.identity import rng_of
from spoofscope.metrics.bootstrap import Draws
from spoofscope.metrics.correlation import (
    circular_correlations,
    holm,
    mean_interval,
    permutation_spearman,
    spearman_interval,
    two_sided_p,
)
from spoofscope.metrics.flips import flipped_spearman
from spoofscope.metrics.limits import LEAST_CLIPS, smallest_corrected, smallest_p
from spoofscope.metrics.measure import METRICS, measure
from spoofscope.metrics.rates import auc, eer
from spoofscope.metrics.tables import NO_LEVEL, clusters_of, draw, resampled_by, split_levels
from spoofscope.names import POOLED
from spoofscope.options import check_resamples
from spoofscope.tables import LABELS, read_table

Floats = npt.NDArray[np.float64]

PARTS = ("signed", "bonafide_evidence", "spoof_evidence")
"""The parts of an attribution that are correlated: the signed evidence for bona fide, its positive
part, and the magnitude of its negative part."""

# Correlations of +-1 have no finite Fisher transform.
_LARGEST = 1 - 1e-9
# The best lag is at most so far from 0.
_LAG_SECONDS = 0.5
# Random shifts behind a p value, independent of the number of resamples of intervals.
_SHIFTS = 1000
_ROW = "row of the trials"
_STRATUM = "stratum of the trials"

WITHIN = "within"
"""The group of all trials whose values are ranked within strata."""
_CLUSTER = "cluster of the bootstrap"

_SEPARATION: dict[str, pl.DataType] = {
    "measure": pl.String(),
    "condition": pl.String(),
    "level": pl.String(),
    "auc": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "eer": pl.Float64(),
    "eer_low": pl.Float64(),
    "eer_high": pl.Float64(),
    "eer_published": pl.Float64(),
    "higher": pl.String(),
    "p": pl.Float64(),
    "p_holm": pl.Float64(),
    "p_bh": pl.Float64(),
    "p_smallest": pl.Float64(),
    "n_bonafide": pl.Int64(),
    "n_spoof": pl.Int64(),
    "n_clusters": pl.Int64(),
    "n_undefined": pl.Int64(),
}
_CORRELATION: dict[str, pl.DataType] = {
    "kind": pl.String(),
    "measure": pl.String(),
    "part": pl.String(),
    "group": pl.String(),
    "lag": pl.Float64(),
    "rho": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "p": pl.Float64(),
    "p_holm": pl.Float64(),
    "p_bh": pl.Float64(),
    "p_smallest": pl.Float64(),
    "n": pl.Int64(),
    "n_clusters": pl.Int64(),
    "n_undefined": pl.Int64(),
}
_UTTERANCE: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "label": pl.String(),
    "attack": pl.String(),
    "measure": pl.String(),
    "part": pl.String(),
    "rho": pl.Float64(),
    "p": pl.Float64(),
}


def _corrected(
    rows: list[dict[str, Any]], schema: Mapping[str, pl.DataType], finest: float = 0.0
) -> pl.DataFrame:
    """The rows as a table with `p_holm` and `p_bh` over all rows that have a p, and `p_smallest`,
    what p_holm cannot be below.

    No p is below `limits.smallest_p` of its `units`, and without two of them there is none.
    `finest` is the smallest p that the test itself can give.
    """
    from scipy.stats import false_discovery_control

    for row in rows:
        floor = smallest_p(row.pop("units"))
        row["floor"] = floor
        if row["p"] is not None:
            row["p"] = None if floor is None else max(row["p"], floor)
    tested = [row for row in rows if row["p"] is not None]
    p = [row["p"] for row in tested]
    smallest = smallest_corrected([max(row["floor"], finest) for row in tested])
    # Benjamini and Hochberg's correction of no p values is refused.
    shares: Sequence[float] = false_discovery_control(p).tolist() if p else []
    for row, strict, mild, least in zip(tested, holm(p), shares, smallest, strict=True):
        row["p_holm"], row["p_bh"], row["p_smallest"] = float(strict), float(mild), least
    return pl.DataFrame([{k: row.get(k) for k in schema} for row in rows], schema=dict(schema))


def _labelled(measures: pl.DataFrame, trials: pl.DataFrame) -> pl.DataFrame:
    missing = trials.filter(~pl.col("utt_id").is_in(measures["utt_id"].implode()))["utt_id"]
    if missing.len():
        raise TableError(
            f"{missing.len()} trials have no measures, such as {missing[0]!r}; "
            "measure the corpus and split that the trials are of"
        )
    if trials.is_empty():
        raise TableError("no trials to relate measures to")
    return trials.select("utt_id", "label", "attack").join(
        measures, on="utt_id", how="left", maintain_order="left"
    )


def _names(measures: pl.DataFrame) -> list[str]:
    return [name for name in measures.columns if name != "utt_id"]


def _groups(table: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """All rows, the classes, and the spoofs of each attack, with their names."""
    groups = [(POOLED, table)]
    groups += [(label, table.filter(label=label)) for label in ("bonafide", "spoof")]
    for attack in table.filter(label="spoof")["attack"].unique().sort():
        groups.append((attack, table.filter(label="spoof", attack=attack)))
    return groups


def _rank_sum_p(classes: Sequence[pl.DataFrame], name: str, clustered: bool) -> float:
    from scipy.stats import mannwhitneyu

    both = pl.concat(classes)
    if both[name].n_unique() == 1:
        return 1.0
    if clustered:
        flipped = flipped_spearman(both[name], both["label"], both[_CLUSTER])
        return 1.0 if flipped is None else flipped[1]
    genuine, values = (each[name].to_numpy().astype(np.float64) for each in classes)
    return float(mannwhitneyu(genuine, values, method="asymptotic").pvalue)


def _with_clusters(table: pl.DataFrame, trials: pl.DataFrame, column: str | None) -> pl.DataFrame:
    """The table with what is one unit of the tests: the cluster of a clip, or else its id."""
    names = trials["utt_id"] if column is None else clusters_of(trials, column)
    named = trials.select("utt_id", names.alias(_CLUSTER))
    return table.join(named, on="utt_id", how="left", maintain_order="left")


def separation(
    measures: pl.DataFrame,
    trials: pl.DataFrame,
    conditions: Sequence[str] = ("attack",),
    *,
    resamples: int,
    seed: int,
    cluster: str | None = None,
) -> pl.DataFrame:
    """How well each measure alone separates bona fide from spoof, pooled and per condition.

    Columns: measure, condition and level (`pooled` and `-`; or the trials of a level, such as a
    codec; an attack's spoofs are set against all bona fide: `metrics.tables.split_levels`), auc
    (probability that a bona fide value is above a spoof value, ties one half) with its 95 %
    interval, eer (tie-aware, of the better polarity) with its, eer_published (of measures as
    published: `published.published_eer`), higher (the class with the higher values; `-` at an auc
    of 0.5), p (two-sided, of the rank sum: by flips of whole clusters, see `metrics.flips`, or Mann
    and Whitney's where clips are drawn) with its corrections and what p_holm cannot be below
    (p_smallest), counts, and n_clusters (of the class with fewer; null where clips are drawn). Null
    where a class has no defined value.

    Intervals are as in `metrics.measure`; there is none under 8 clips, or clusters, of a class. p
    is at least 2^(1 - n), n the clips, or clusters, of the class that has fewer; below two: null.

    Args:
        measures: utt_id and one column per measure, null where not defined.
        trials: utt_id, label, the conditions and the cluster column.
        conditions: columns of the trials, or several joined with `+`.
        resamples: behind the intervals; 0 makes none.
        seed: of the bootstrap.
        cluster: column whose values are resampled as wholes, see `metrics.tables.resampled_by`.

    Raises:
        TableError: a trial has no measures; a condition is no column, or empty in some row.
    """
    check_resamples(resamples, "bootstrap.resamples")
    trials = trials.sort("utt_id")
    column = resampled_by(trials, cluster)
    groups = [(POOLED, NO_LEVEL, trials)]
    for condition in conditions:
        groups += [(condition, level, part) for level, part in split_levels(trials, condition)]
    table = _with_clusters(_labelled(measures, trials).with_row_index(_ROW), trials, column)
    draws = draw(trials, resamples, seed, cluster) if resamples else None
    rows: list[dict[str, Any]] = []
    for condition, level, of_level in groups:
        part = table.join(of_level.select("utt_id"), on="utt_id", how="semi")
        for name in _names(measures):
            names = {"measure": name, "condition": condition, "level": level}
            clustered = column is not None
            rows.append({**names, **_separation_row(part, name, draws, clustered=clustered)})
    order = {name: i for i, name in enumerate(_names(measures))}
    rows.sort(key=lambda row: order[row["measure"]])
    return _corrected(rows, _SEPARATION)


def read_separation(path: str) -> pl.DataFrame:
    """The table of :func:`separation`; an undefined value is null.

    Raises:
        TableError: as `tables.read_table`.
    """
    optional = {
        name: kind
        for name, kind in _SEPARATION.items()
        if kind == pl.Float64() or name == "n_clusters" or name == "higher"
    }
    required = {name: kind for name, kind in _SEPARATION.items() if name not in optional}
    return read_table(path, required, optional).select(list(_SEPARATION))


def _separation_row(
    part: pl.DataFrame, name: str, draws: Draws | None, *, clustered: bool
) -> dict[str, Any]:
    """What :func:`separation` says about one measure of some trials."""
    classes = [part.filter(label=label).drop_nulls(name) for label in LABELS]
    genuine, values = (each[name].to_numpy().astype(np.float64) for each in classes)
    units = min(each[_CLUSTER].n_unique() for each in classes)
    row: dict[str, Any] = {
        "p": None,
        "units": units,
        "n_clusters": units if clustered else None,
        "n_bonafide": genuine.size,
        "n_spoof": values.size,
        "n_undefined": part.height - genuine.size - values.size,
    }
    if genuine.size and values.size:
        area = auc(genuine, values)
        sign = 1.0 if area >= 0.5 else -1.0
        row.update(
            auc=area,
            eer=eer(sign * genuine, sign * values).value,
            higher="-" if area == 0.5 else ("bonafide" if area > 0.5 else "spoof"),
            p=_rank_sum_p(classes, name, clustered),
        )
        if name.startswith(PREFIX):
            row["eer_published"] = published_eer(genuine, values)
        if draws is not None and units >= LEAST_CLIPS:
            row |= _separation_intervals(classes, name, sign, draws)
    return row


def _separation_intervals(
    classes: list[pl.DataFrame], name: str, sign: float, draws: Draws
) -> dict[str, float]:
    """Intervals of the AUC, and of the EER of the polarity `sign`."""
    genuine, values = (sign * each[name].to_numpy().astype(np.float64) for each in classes)
    first, second = (draws.units[each[_ROW].to_numpy()] for each in classes)
    wanted = {metric: METRICS[metric] for metric in ("auc", "eer")}
    measured = measure(genuine, values, wanted, (first, second), draws)
    ends: dict[str, float] = {}
    if measured["auc"].interval is not None:
        low, high = measured["auc"].interval
        low, high = (low, high) if sign > 0 else (1 - high, 1 - low)
        ends |= {"ci_low": low, "ci_high": high}
    if measured["eer"].interval is not None:
        ends["eer_low"], ends["eer_high"] = measured["eer"].interval
    return ends


def score_correlations(
    measures: pl.DataFrame,
    trials: pl.DataFrame,
    scores: pl.DataFrame,
    conditions: Sequence[str] = (),
    *,
    permutations: int,
    resamples: int,
    seed: int,
    cluster: str | None = None,
) -> pl.DataFrame:
    """Spearman correlation of each measure with a detector's scores.

    Pooled over all trials, a measure correlates with the scores as soon as both differ between the
    classes. Only a correlation within a class or an attack shows that the detector uses the
    measure, so the table has these groups, too. The group `within` sums this up: all trials, their
    values ranked within strata of label, attack and all conditions, such as the codec, so that
    nothing that differs between strata only can correlate.

    Columns: kind (`score`), measure, part (`score`), group (`pooled`, `within`, `bonafide`, `spoof`
    or an attack), rho, its 95 % interval (`metrics.correlation.spearman_interval`; none under 8
    clips or clusters), p (two-sided, by flips of whole clusters, see `metrics.flips`, or by
    permutation where clips are drawn; at least 2^(1 - n) of n clips or clusters) with its
    corrections and what p_holm cannot be below (p_smallest), n, n_clusters (null where clips are
    drawn) and n_undefined. `lag` is null.
    Null where a correlation is not defined (a constant, or fewer than two values).

    Args:
        measures: utt_id and one column per measure, null where not defined.
        trials: utt_id, label, attack and the cluster column.
        scores: utt_id, score.
        conditions: columns of the trials, or several joined with `+`, that strata are made of.
        permutations: at most so many for the p values where clips are drawn, see
            `metrics.correlation.permutation_spearman`.
        resamples: behind the intervals; 0 makes none.
        seed: of both.
        cluster: column whose values are resampled as wholes, see `metrics.tables.resampled_by`.

    Raises:
        TableError: a trial has no measures or no score; a condition is no column.
    """
    unscored = trials.filter(~pl.col("utt_id").is_in(scores["utt_id"].implode()))["utt_id"]
    if unscored.len():
        raise TableError(f"{unscored.len()} trials have no score, such as {unscored[0]!r}")
    table = _labelled(measures, trials).join(
        scores.select("utt_id", "score"), on="utt_id", how="left", maintain_order="left"
    )
    column = resampled_by(trials, cluster)
    table = _with_clusters(table, trials, column).join(
        _strata(trials, conditions), on="utt_id", how="left", maintain_order="left"
    )
    rows: list[dict[str, Any]] = []
    for group, part in [*_groups(table), (WITHIN, table)]:
        # Measures with the same gaps share their permutations, which is many times faster.
        by_gaps: dict[bytes, list[str]] = {}
        for name in _names(measures):
            gaps = part[name].is_null().to_numpy().tobytes()
            by_gaps.setdefault(gaps, []).append(name)
        for names in by_gaps.values():
            defined = part.drop_nulls(names)
            target = defined["score"].to_numpy()
            clusters = None if column is None else defined[_CLUSTER].to_numpy()
            units = defined[_CLUSTER].n_unique()
            strata = defined[_STRATUM].to_numpy() if group == WITHIN else None
            if clusters is None:
                results = permutation_spearman(
                    defined.select(names).to_numpy().astype(np.float64),
                    target,
                    permutations,
                    rng_of("measures against scores", seed, group, *names),
                    strata,
                )
            else:
                results = [
                    flipped_spearman(defined[name], target, clusters, strata) for name in names
                ]
            for name, result in zip(names, results, strict=True):
                row: dict[str, Any] = {
                    "units": units,
                    "n_clusters": None if clusters is None else units,
                    "kind": "score",
                    "measure": name,
                    "part": "score",
                    "group": group,
                    "p": None,
                    "n": defined.height,
                    "n_undefined": part.height - defined.height,
                }
                if result is not None:
                    row.update(rho=result[0], p=result[1])
                    rng = rng_of("measures against scores, intervals", seed, group, name)
                    interval = spearman_interval(
                        defined[name].to_numpy(), target, resamples, rng, clusters, strata
                    )
                    if interval is not None:
                        row.update(ci_low=interval.low, ci_high=interval.high)
                rows.append(row)
    return _corrected(rows, _CORRELATION, 1 / (1 + permutations) if column is None else 0.0)


def _strata(trials: pl.DataFrame, conditions: Sequence[str]) -> pl.DataFrame:
    """utt_id, and which stratum of label, attack and conditions each trial is in."""
    names = ["label", "attack"]
    for condition in conditions:
        names += [condition] if condition in trials.columns else condition.split("+")
    names = list(dict.fromkeys(names))
    for name in names:
        if name not in trials.columns:
            raise TableError(f"the trials have no column {name!r} to make strata of")
    levels = trials.select(pl.concat_str(names, separator="\t")).to_series().to_numpy()
    number = np.unique(levels, return_inverse=True)[1]
    return trials.select("utt_id", pl.Series(_STRATUM, number))


class FrameSeries(NamedTuple):
    """One utterance on its time axis.

    utt_id, label, attack: of the manifest. evidence: (n,) a detector's evidence for bona fide,
    frame by frame. measures: name to (n,) frame measures. hop: seconds from one frame to the next,
    the same for all utterances. cluster: what is drawn as a whole, such
    as its speaker; None where utterances are.
    """

    utt_id: str
    label: str
    attack: str
    evidence: Floats
    measures: Mapping[str, Floats]
    hop: float
    cluster: str | None = None


class FrameCorrelations(NamedTuple):
    """Correlations per utterance, and over groups of utterances; see :func:`frame_correlations`."""

    utterances: pl.DataFrame
    groups: pl.DataFrame


def _parts(evidence: Floats) -> dict[str, Floats]:
    values = (evidence, np.maximum(evidence, 0.0), np.maximum(-evidence, 0.0))
    return dict(zip(PARTS, values, strict=True))


def frame_correlations(
    series: Iterable[FrameSeries], *, resamples: int, seed: int
) -> FrameCorrelations:
    """Spearman correlation of evidence with frame measures, within utterances.

    Neighbouring frames are alike in both, so the usual p values would be far too small. The null
    here is the same evidence shifted circularly along the clip.

    * `utterances`: utt_id, label, attack, measure, part (see `PARTS`), rho, p (share of all n
      shifts, 0 included, with a correlation at least as far from 0; so p >= 1 / n). Not corrected.
    * `groups`: kind (`attribution`), measure, part, group (`pooled`, `bonafide`, `spoof` or a
      attack), rho (back-transformed mean of Fisher's z over utterances), its 95 % interval
      (bootstrap over utterances, or clusters; none under 8), p (the mean z against the same mean
      with every utterance shifted at random; at least 2^(1 - n) of n utterances or clusters) with
      its corrections and p_smallest, n, n_clusters and n_undefined utterances. `lag` is 0 here.
      Rows of the kind `best_lag` follow: `lag` is how much later (s) the evidence is than the
      measure where the mean z is farthest from 0, at most 0.5 s, with the rho there. p compares it
      with the farthest one of utterances that were shifted at random, so the choice is accounted
      for; an interval would not be, so there is none. Utterances of less than about 1 s do not
      count. The ends of a clip meet, as with the shifts.

    Correlations are not defined, and null, where the evidence or the measure is constant.

    Args:
        series: utterances; at least one.
        resamples: of the bootstrap, 0 for no intervals; and random shifts of each group, at least
            1000.
        seed: of both.

    Raises:
        TableError: there is no utterance.
    """
    check_resamples(resamples, "bootstrap.resamples")
    rows: list[dict[str, Any]] = []
    nulls: list[Floats | None] = []
    clusters: list[str | None] = []
    hop: float | None = None
    for item in series:
        if hop is not None and not np.isclose(item.hop, hop):
            raise TableError(
                f"the frames of {item.utt_id!r} are {item.hop:g} s apart, those before {hop:g} s; "
                "correlate the explanations of one detector"
            )
        hop = item.hop
        for part, evidence in _parts(item.evidence).items():
            for name, values in item.measures.items():
                null = circular_correlations(values, evidence)
                rho = None if null is None else float(null[0])
                rows.append(
                    {
                        "utt_id": item.utt_id,
                        "label": item.label,
                        "attack": item.attack,
                        "measure": name,
                        "part": part,
                        "rho": rho,
                        # All shifts are there, the observed one among them: no draw to add.
                        "p": None if null is None or rho is None else two_sided_p(rho, null[1:]),
                    }
                )
                nulls.append(
                    None if null is None else np.arctanh(np.clip(null, -_LARGEST, _LARGEST))
                )
                clusters.append(item.cluster)
    if not rows or hop is None:
        raise TableError("no explained utterance to correlate with frame measures")
    utterances = pl.DataFrame(rows, schema=_UTTERANCE).with_row_index("place")
    grouped, lagged = [], []
    for group, table in _groups(utterances):
        for (name, part), of_part in table.group_by("measure", "part", maintain_order=True):
            names = {"measure": name, "part": part, "group": group}
            members = [(nulls[i], clusters[i]) for i in of_part["place"]]
            grouped.append(_group_row(names, members, resamples, seed))
            lagged.append(_lag_row(names, members, hop, max(resamples, _SHIFTS), seed))
    finest = 1 / (1 + max(resamples, _SHIFTS))
    groups = [_corrected(part, _CORRELATION, finest) for part in (grouped, lagged)]
    return FrameCorrelations(utterances.drop("place"), pl.concat(groups))


def _row_of(
    kind: str,
    names: dict[str, Any],
    defined: Sequence[tuple[Floats, str | None]],
    n_members: int,
) -> dict[str, Any]:
    """A row of the groups' table without a correlation."""
    clusters = [cluster for _, cluster in defined if cluster is not None]
    units = len(set(clusters)) if clusters else len(defined)
    return {
        "kind": kind,
        **names,
        "p": None,
        "units": units,
        "n": len(defined),
        "n_clusters": units if clusters else None,
        "n_undefined": n_members - len(defined),
    }


def _lag_row(
    names: dict[str, Any],
    members: list[tuple[Floats | None, str | None]],
    hop: float,
    shifts: int,
    seed: int,
) -> dict[str, Any]:
    """The row of the best lag from Fisher's z of every shift of every utterance."""
    farthest = int(_LAG_SECONDS / hop)
    width = 2 * farthest + 1
    defined = [
        (null, cluster) for null, cluster in members if null is not None and null.size >= width
    ]
    row = _row_of("best_lag", names, defined, len(members))
    if not defined:
        return row
    rng = rng_of("lags of attributions", seed, names["group"], names["measure"], names["part"])
    observed = np.zeros(width)
    shifted = np.zeros((shifts, width))
    for null, _ in defined:
        # Row k: the lags around shift k, from those with later evidence to those with earlier.
        around = null[(np.arange(null.size + 2 * farthest) - farthest) % null.size]
        lags = np.lib.stride_tricks.sliding_window_view(around, width)
        observed += lags[0]
        shifted += lags[rng.integers(0, null.size, shifts)]
    best = int(np.argmax(np.abs(observed)))
    chance = np.abs(shifted).max(axis=1) / len(defined)
    value = float(observed[best]) / len(defined)
    row.update(lag=(farthest - best) * hop, rho=float(np.tanh(value)), p=two_sided_p(value, chance))
    return row


def _group_row(
    names: dict[str, Any],
    members: list[tuple[Floats | None, str | None]],
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """One row of the groups' table from Fisher's z of every shift of every utterance."""
    defined = [(null, cluster) for null, cluster in members if null is not None]
    clusters = [cluster for _, cluster in defined if cluster is not None]
    row = {**_row_of("attribution", names, defined, len(members)), "lag": 0.0}
    if defined:
        parts = names["group"], names["measure"], names["part"]
        rng = rng_of("measures against attributions", seed, *parts)
        observed = np.array([null[0] for null, _ in defined])
        interval = mean_interval(observed, resamples, rng, clusters or None)
        shifts = max(resamples, _SHIFTS)
        shifted = np.mean([null[rng.integers(0, null.size, shifts)] for null, _ in defined], axis=0)
        row.update(
            rho=float(np.tanh(observed.mean())), p=two_sided_p(float(observed.mean()), shifted)
        )
        if interval is not None:
            row.update(ci_low=float(np.tanh(interval.low)), ci_high=float(np.tanh(interval.high)))
    return row
