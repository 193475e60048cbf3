"""The tables of consensus: trials that all detectors get right or wrong, and shared errors."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.disagreements import needed_threshold
from spoofscope.exhibits import Table
from spoofscope.fusion import error_overlap
from spoofscope.identity import rng_of
from spoofscope.metrics.correlation import mean_interval
from spoofscope.metrics.limits import (
    LEAST_CLIPS,
    hull,
    percentile_interval,
    standard_error,
    student_interval,
    within,
)
from spoofscope.metrics.tables import clusters_of, resampled_by
from spoofscope.names import ALL, BONAFIDE, SPOOF
from spoofscope.summaries.inputs import read_scored, sets_of
from spoofscope.tables import LABELS, read_table, write_table

TABLE = Table(
    title="Trials that all detectors get right or wrong",
    shows="Consensus of the detectors: shared errors, per class and attack, and their trials.",
    caption=(
        "Every detector decides by its own threshold, the one at equal error rate on development "
        "data. all_right and all_wrong count the trials on which all decide alike; expected_wrong "
        "is how many would be wrong for all if errors were independent. Intervals are 95 % "
        "intervals of share_wrong. A second table has every pair of detectors: excess is the share "
        "of trials on which both err, less the product of their error rates. Above 0, they fail on "
        "the same trials, and a fusion gains less; attacks that are hard for all are reason enough "
        "for that. Sets of one class have no pairs there. A third table lists the trials on which "
        "all are right or wrong, at most 1000 of each attack, drawn at random."
    ),
    needs="decided_trials",
    place=42,
    more=("overlap", "trials"),
    printed=(
        "corpus",
        "split",
        "label",
        "attack",
        "n",
        "all_right",
        "all_wrong",
        "expected_wrong",
        "share_wrong",
    ),
    interval_of="share_wrong",
)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MOST_LISTED = 1000
"""Most trials of a set and an attack that are listed."""

_COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("corpus", "split", "label", "attack"), pl.String()),
    **dict.fromkeys(("n", "detectors", "all_right", "all_wrong"), pl.Int64()),
    **dict.fromkeys(("share_right", "share_wrong", "expected_wrong"), pl.Float64()),
}
_OPTIONAL = {
    **dict.fromkeys(("ci_low", "ci_high"), pl.Float64()),
    "n_clusters": pl.Int64(),
}
_NO_PAIR = dict.fromkeys(("corpus", "split", "first", "second", "label", "excess"), pl.String())
_UNIT = "unit of the intervals"
_WRONG = "detectors that are wrong"


def make(
    scored: Sequence[Mapping[str, Any]],
    outputs: Mapping[str, str],
    *,
    resamples: int,
    bootstrap_seed: int,
    cluster: str | None,
) -> None:
    """Write the tables, see :func:`consensus`, :func:`overlap` and :func:`listed`.

    Args:
        scored: of every score file the name of its system, corpus, split, `scores`, `manifest` and
            `detector`, which knows the threshold.
        outputs: `table`, `overlap` and `trials`.
        resamples, bootstrap_seed, cluster: of the intervals.
    """
    tables: dict[str, list[pl.DataFrame]] = {part: [] for part in ("table", "overlap", "trials")}
    for (corpus, split), of_set in sets_of(scored).items():
        trials, scores, thresholds = _judged(of_set, cluster)
        is_bonafide = (trials["label"] == BONAFIDE).to_numpy()
        wrong = {name: (scores[name] >= thresholds[name]) != is_bonafide for name in scores}
        parts = {
            "table": consensus(trials, wrong, resamples, bootstrap_seed),
            "trials": listed(trials, wrong, bootstrap_seed),
        }
        if trials["label"].n_unique() == len(LABELS):
            pairs = error_overlap(scores, trials["label"].to_numpy(), thresholds)
            parts["overlap"] = overlap(trials, wrong, pairs, resamples, bootstrap_seed)
        names = [pl.lit(corpus).alias("corpus"), pl.lit(split).alias("split")]
        for part, table in parts.items():
            tables[part].append(table.select(*names, pl.all()))
    for part, of_part in tables.items():
        write_table(outputs[part], pl.concat(of_part) if of_part else pl.DataFrame(schema=_NO_PAIR))


def _judged(
    of_set: Sequence[Mapping[str, Any]], cluster: str | None
) -> tuple[pl.DataFrame, dict[str, Floats], dict[str, float]]:
    """The trials of a set with the unit of intervals; scores and threshold of each detector."""
    trials = pl.DataFrame()
    scores, thresholds = {}, {}
    for entry in of_set:
        joined = read_scored(entry["scores"], entry["manifest"], entry["split"]).sort("utt_id")
        if trials.is_empty():
            column = resampled_by(joined, cluster)
            unit = joined["utt_id"] if column is None else clusters_of(joined, column)
            trials = joined.drop("score").with_columns(
                unit.alias(_UNIT), pl.lit(column is not None).alias("clustered")
            )
        scores[entry["name"]] = joined["score"].to_numpy()
        thresholds[entry["name"]] = needed_threshold(entry["detector"])
    return trials, scores, thresholds


def consensus(
    trials: pl.DataFrame,
    wrong: Mapping[str, Bools],
    resamples: int,
    seed: int,
) -> pl.DataFrame:
    """How many trials all detectors get right, or wrong, of each class and attack.

    Args:
        trials: utt_id, label, attack, the unit of intervals, and whether that is a cluster.
        wrong: detector to (n,) whether it errs on a trial.
        resamples, seed: of the intervals, see `metrics.correlation.mean_interval`.

    Returns:
        label, attack (`all` for the class), n, detectors, all_right, all_wrong, share_right,
        share_wrong, ci_low, ci_high, expected_wrong (n times the product of the detectors' error
        rates), n_clusters (null where clips are drawn). Without an interval, these are null.
    """
    errors = np.stack(list(wrong.values()))
    groups = [(label, ALL, trials["label"] == label) for label in LABELS]
    for attack in trials.filter(label=SPOOF)["attack"].unique().sort():
        groups.append((SPOOF, attack, (trials["label"] == SPOOF) & (trials["attack"] == attack)))
    rows = []
    for label, attack, chosen in groups:
        of_group = errors[:, chosen.to_numpy()]
        if not of_group.shape[1]:
            continue
        units = trials.filter(chosen)[_UNIT].to_numpy()
        right, all_wrong = ~of_group.any(axis=0), of_group.all(axis=0)
        rng = rng_of("consensus", seed, label, attack)
        interval = mean_interval(all_wrong, resamples, rng, units, share=True)
        rows.append(
            {
                "label": label,
                "attack": attack,
                "n": all_wrong.size,
                "detectors": len(wrong),
                "all_right": int(right.sum()),
                "all_wrong": int(all_wrong.sum()),
                "share_right": float(right.mean()),
                "share_wrong": float(all_wrong.mean()),
                "ci_low": None if interval is None else interval.low,
                "ci_high": None if interval is None else interval.high,
                "expected_wrong": all_wrong.size * float(np.prod(of_group.mean(axis=1))),
                "n_clusters": np.unique(units).size if trials["clustered"][0] else None,
            }
        )
    empty = {"ci_low": pl.Float64(), "ci_high": pl.Float64(), "n_clusters": pl.Int64()}
    return pl.DataFrame(rows, schema_overrides=empty)


def overlap(
    trials: pl.DataFrame,
    wrong: Mapping[str, Bools],
    pairs: pl.DataFrame,
    resamples: int,
    seed: int,
) -> pl.DataFrame:
    """The pairs of `fusion.error_overlap` with the excess of shared errors.

    Args:
        trials, wrong, resamples, seed: as in :func:`consensus`.
        pairs: the table of `fusion.error_overlap`.

    Returns:
        Its columns, then excess (share of trials on which both err, less the product of the two
        error rates), ci_low and ci_high: 95 % of resamples of whole clusters, or clips, and no
        narrower than Student's t; none with fewer than `limits.LEAST_CLIPS` of them, or where all
        resamples are the same.
    """
    ends = []
    for row in pairs.iter_rows(named=True):
        chosen = (trials["label"] == row["label"]).to_numpy()
        first, second = (wrong[row[name]][chosen] for name in ("first", "second"))
        unit = np.unique(trials[_UNIT].to_numpy()[chosen], return_inverse=True)[1]
        n_units = int(unit.max()) + 1
        excess = float((first & second).mean() - first.mean() * second.mean())
        low = high = None
        if n_units >= LEAST_CLIPS and resamples:
            rng = rng_of("overlap of errors", seed, row["first"], row["second"], row["label"])
            drawn = rng.integers(0, n_units, (resamples, n_units))
            size, both, a, b = (
                np.bincount(unit, each, n_units)[drawn].sum(axis=1)
                for each in (np.ones(unit.size), first & second, first, second)
            )
            excesses = both / size - a * b / size**2
            if standard_error(excesses, n_units) > 0:
                student = student_interval(excess, excesses, n_units)
                # No covariance of two rates is farther from 0.
                low, high = hull(percentile_interval(excesses), within(student, -0.25, 0.25))
        ends.append({"excess": excess, "ci_low": low, "ci_high": high})
    schema = dict.fromkeys(("excess", "ci_low", "ci_high"), pl.Float64())
    return pl.concat([pairs, pl.DataFrame(ends, schema=schema)], how="horizontal")


def listed(trials: pl.DataFrame, wrong: Mapping[str, Bools], seed: int) -> pl.DataFrame:
    """The trials on which all detectors err, and those on which none does.

    Args:
        trials, wrong: as in :func:`consensus`.
        seed: of the draw, where a set has more than `MOST_LISTED` trials of an attack.

    Returns:
        set (`all_wrong` or `all_right`), label, attack, utt_id, path; sorted.
    """
    count = np.sum(list(wrong.values()), axis=0)
    judged = trials.with_columns(pl.Series(_WRONG, count))
    kept = []
    sets = {"all_wrong": len(wrong), "all_right": 0}
    labels = trials["attack"].unique().sort()
    for (name, number), attack in itertools.product(sets.items(), labels):
        of_set = judged.filter(pl.col(_WRONG) == number, attack=attack)
        order = rng_of("trials of a consensus", seed, name, attack).permutation(of_set.height)
        some = of_set[np.sort(order[:MOST_LISTED])]
        kept.append(some.select(pl.lit(name).alias("set"), "label", "attack", "utt_id", "path"))
    return pl.concat(kept)


def read_consensus(path: str) -> pl.DataFrame:
    """The table of consensus; an interval that there is not is null.

    Raises:
        TableError: as `tables.read_table`.
    """
    return read_table(path, _COLUMNS, _OPTIONAL)
