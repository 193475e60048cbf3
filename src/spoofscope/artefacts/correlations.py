"""How signal measures relate to labels, to scores, and to what a detector attends to.

Every table is long and carries p values corrected for all tests in it: Holm (the chance of one
false discovery) and Benjamini-Hochberg (the expected share of false discoveries).
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.corpora.cues import auc_interval
from spoofscope.errors import TableError
from spoofscope.identity import rng_of
from spoofscope.metrics.correlation import (
    benjamini_hochberg,
    circular_correlations,
    holm,
    mean_interval,
    permutation_spearman,
    two_sided_p,
)
from spoofscope.metrics.rates import auc, eer

Floats = npt.NDArray[np.float64]

PARTS = ("signed", "bonafide_evidence", "spoof_evidence")
"""What of an attribution is correlated: the evidence for bona fide with its sign, its positive
part, and the size of its negative part."""

_Z = 1.959963984540054  # 97.5 % quantile of the normal distribution
# Correlations of +-1 have no finite Fisher transform.
_LARGEST = 1 - 1e-9

_SEPARATION: dict[str, pl.DataType] = {
    "measure": pl.String(),
    "system": pl.String(),
    "auc": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "eer": pl.Float64(),
    "higher": pl.String(),
    "p": pl.Float64(),
    "p_holm": pl.Float64(),
    "p_bh": pl.Float64(),
    "n_bonafide": pl.Int64(),
    "n_spoof": pl.Int64(),
    "n_undefined": pl.Int64(),
}
_CORRELATION: dict[str, pl.DataType] = {
    "kind": pl.String(),
    "measure": pl.String(),
    "part": pl.String(),
    "group": pl.String(),
    "rho": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "p": pl.Float64(),
    "p_holm": pl.Float64(),
    "p_bh": pl.Float64(),
    "n": pl.Int64(),
    "n_undefined": pl.Int64(),
}
_UTTERANCE: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "label": pl.String(),
    "system": pl.String(),
    "measure": pl.String(),
    "part": pl.String(),
    "rho": pl.Float64(),
    "p": pl.Float64(),
}


def _corrected(rows: list[dict[str, Any]], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The rows as a table with `p_holm` and `p_bh` over all rows that have a p."""
    tested = [row for row in rows if row["p"] is not None]
    p = [row["p"] for row in tested]
    for row, strict, mild in zip(tested, holm(p), benjamini_hochberg(p), strict=True):
        row["p_holm"], row["p_bh"] = float(strict), float(mild)
    return pl.DataFrame(rows, schema=dict(schema))


def _labelled(measures: pl.DataFrame, trials: pl.DataFrame) -> pl.DataFrame:
    missing = trials.filter(~pl.col("utt_id").is_in(measures["utt_id"].implode()))["utt_id"]
    if missing.len():
        raise TableError(
            f"{missing.len()} trials have no measures, such as {missing[0]!r}; "
            "measure the corpus and split that the trials are of"
        )
    if trials.is_empty():
        raise TableError("no trials to relate measures to")
    return trials.select("utt_id", "label", "system").join(
        measures, on="utt_id", how="left", maintain_order="left"
    )


def _names(measures: pl.DataFrame) -> list[str]:
    return [name for name in measures.columns if name != "utt_id"]


def _groups(table: pl.DataFrame, *, classes: bool) -> list[tuple[str, pl.DataFrame]]:
    """All rows, the classes if asked for, and the spoofs of each system, with their names."""
    groups = [("pooled", table)]
    if classes:
        groups += [(label, table.filter(label=label)) for label in ("bonafide", "spoof")]
    for system in table.filter(label="spoof")["system"].unique().sort():
        groups.append((system, table.filter(label="spoof", system=system)))
    return groups


def _rank_sum_p(bonafide: Floats, spoof: Floats) -> float:
    from scipy.stats import mannwhitneyu

    if np.all(bonafide == bonafide[0]) and np.all(spoof == bonafide[0]):
        return 1.0
    return float(mannwhitneyu(bonafide, spoof, method="asymptotic").pvalue)


def separation(measures: pl.DataFrame, trials: pl.DataFrame) -> pl.DataFrame:
    """How well each measure alone tells bona fide from spoof, pooled and per spoofing system.

    Columns: measure, system (`pooled` or a system, whose spoofs are set against all bona fide),
    auc (probability that a bona fide value is above a spoof value, ties one half) with its 95 %
    interval (Newcombe), eer (tie-aware, of the better polarity), higher (the class with the higher
    values; `-` at an auc of 0.5), p (Mann-Whitney, two-sided) and its corrections, and counts. Null
    where a class has no defined value.

    Args:
        measures: utt_id and one column per measure, null where not defined.
        trials: utt_id, label, system.

    Raises:
        TableError: a trial has no measures.
    """
    table = _labelled(measures, trials)
    bonafide = table.filter(label="bonafide")
    rows: list[dict[str, Any]] = []
    for name in _names(measures):
        genuine = bonafide[name].drop_nulls().to_numpy()
        for system, part in _groups(table, classes=False):
            spoofed = part.filter(label="spoof")
            values = spoofed[name].drop_nulls().to_numpy()
            row: dict[str, Any] = {
                "measure": name,
                "system": system,
                "p": None,
                "n_bonafide": genuine.size,
                "n_spoof": values.size,
                "n_undefined": bonafide.height + spoofed.height - genuine.size - values.size,
            }
            if genuine.size and values.size:
                area = auc(genuine, values)
                low, high = auc_interval(area, genuine.size, values.size, _Z)
                sign = 1.0 if area >= 0.5 else -1.0
                row.update(
                    auc=area,
                    ci_low=low,
                    ci_high=high,
                    eer=eer(sign * genuine, sign * values).value,
                    higher="-" if area == 0.5 else ("bonafide" if area > 0.5 else "spoof"),
                    p=_rank_sum_p(genuine, values),
                )
            rows.append(row)
    return _corrected(rows, _SEPARATION)


def _spearman_interval(rho: float, n: int) -> tuple[float | None, float | None]:
    """95 % interval after Bonett and Wright (2000); needs more than 3 values."""
    if n <= 3:
        return None, None
    z = np.arctanh(np.clip(rho, -_LARGEST, _LARGEST))
    width = _Z * np.sqrt((1 + rho**2 / 2) / (n - 3))
    return float(np.tanh(z - width)), float(np.tanh(z + width))


def score_correlations(
    measures: pl.DataFrame,
    trials: pl.DataFrame,
    scores: pl.DataFrame,
    *,
    permutations: int,
    seed: int,
) -> pl.DataFrame:
    """Spearman correlation of each measure with a detector's scores.

    Pooled over everything, a measure correlates with the scores as soon as both differ between the
    classes. What a detector listens to shows within a class or a system, so these are there too.

    Columns: kind (`score`), measure, part (`score`), group (`pooled`, `bonafide`, `spoof` or a
    system), rho, its 95 % interval, p (permutation, two-sided) and its corrections, n and
    n_undefined. Null where a correlation is not defined (a constant, or fewer than two values).

    Args:
        measures: utt_id and one column per measure, null where not defined.
        trials: utt_id, label, system.
        scores: utt_id, score.
        permutations: for the p values.
        seed: of the permutations.

    Raises:
        TableError: a trial has no measures or no score.
    """
    unscored = trials.filter(~pl.col("utt_id").is_in(scores["utt_id"].implode()))["utt_id"]
    if unscored.len():
        raise TableError(f"{unscored.len()} trials have no score, such as {unscored[0]!r}")
    table = _labelled(measures, trials).join(
        scores.select("utt_id", "score"), on="utt_id", how="left", maintain_order="left"
    )
    rows: list[dict[str, Any]] = []
    for group, part in _groups(table, classes=True):
        # Measures with the same gaps share their permutations, which is many times faster.
        by_gaps: dict[bytes, list[str]] = {}
        for name in _names(measures):
            gaps = part[name].is_null().to_numpy().tobytes()
            by_gaps.setdefault(gaps, []).append(name)
        for names in by_gaps.values():
            defined = part.drop_nulls(names)
            results = permutation_spearman(
                defined.select(names).to_numpy().astype(np.float64),
                defined["score"].to_numpy(),
                permutations,
                rng_of("measures against scores", seed, group, *names),
            )
            for name, result in zip(names, results, strict=True):
                row: dict[str, Any] = {
                    "kind": "score",
                    "measure": name,
                    "part": "score",
                    "group": group,
                    "p": None,
                    "n": defined.height,
                    "n_undefined": part.height - defined.height,
                }
                if result is not None:
                    low, high = _spearman_interval(result[0], defined.height)
                    row.update(rho=result[0], p=result[1], ci_low=low, ci_high=high)
                rows.append(row)
    return _corrected(rows, _CORRELATION)


class FrameSeries(NamedTuple):
    """One utterance on its time axis.

    utt_id, label, system: of the manifest. evidence: (n,) a detector's evidence for bona fide,
    frame by frame. measures: name to (n,) frame measures.
    """

    utt_id: str
    label: str
    system: str
    evidence: Floats
    measures: Mapping[str, Floats]


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

    * `utterances`: utt_id, label, system, measure, part (see `PARTS`), rho, p (share of all n
      shifts, 0 included, with a correlation at least as far from 0; so p >= 1 / n). Not corrected.
    * `groups`: kind (`attribution`), measure, part, group (`pooled`, `bonafide`, `spoof` or a
      system), rho (back-transformed mean of Fisher's z over utterances), its 95 % interval
      (bootstrap over utterances), p (the mean z against the same mean with every utterance shifted
      at random) and its corrections, n and n_undefined utterances.

    Correlations are not defined, and null, where the evidence or the measure is constant.

    Args:
        series: utterances; at least one.
        resamples: of the bootstrap, and random shifts of each group.
        seed: of both.

    Raises:
        TableError: there is no utterance.
    """
    rows: list[dict[str, Any]] = []
    nulls: list[Floats | None] = []
    for item in series:
        for part, evidence in _parts(item.evidence).items():
            for name, values in item.measures.items():
                null = circular_correlations(values, evidence)
                rho = None if null is None else float(null[0])
                rows.append(
                    {
                        "utt_id": item.utt_id,
                        "label": item.label,
                        "system": item.system,
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
    if not rows:
        raise TableError("no explained utterance to correlate with frame measures")
    utterances = pl.DataFrame(rows, schema=_UTTERANCE).with_row_index("place")
    grouped = [
        _group_row(
            group, str(measure), str(part), [nulls[i] for i in members["place"]], resamples, seed
        )
        for group, table in _groups(utterances, classes=True)
        for (measure, part), members in table.group_by("measure", "part", maintain_order=True)
    ]
    return FrameCorrelations(utterances.drop("place"), _corrected(grouped, _CORRELATION))


def _group_row(
    group: str, measure: str, part: str, nulls: list[Floats | None], resamples: int, seed: int
) -> dict[str, Any]:
    """One row of the groups' table from Fisher's z of every shift of every utterance."""
    defined = [null for null in nulls if null is not None]
    row: dict[str, Any] = {
        "kind": "attribution",
        "measure": measure,
        "part": part,
        "group": group,
        "p": None,
        "n": len(defined),
        "n_undefined": len(nulls) - len(defined),
    }
    if defined:
        rng = rng_of("measures against attributions", seed, group, measure, part)
        observed = np.array([null[0] for null in defined])
        low, high = mean_interval(observed, resamples, rng)
        shifted = np.mean([null[rng.integers(0, null.size, resamples)] for null in defined], axis=0)
        row.update(
            rho=float(np.tanh(observed.mean())),
            ci_low=float(np.tanh(low)),
            ci_high=float(np.tanh(high)),
            p=two_sided_p(float(observed.mean()), shifted),
        )
    return row
