"""Decisions among bona fide speech, K known attacks and `unknown`: K + 2 classes at once.

So the task of ADD 2023, track 3, is judged, by the mean F1 of its 8 classes (Xie et al.,
"Generalized Source Tracing", Interspeech 2024).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.identity import rng_of
from spoofscope.metrics import bootstrap
from spoofscope.metrics.closed_set import confusion_matrix, of_classes, per_class, weighted_mean
from spoofscope.metrics.limits import Trials
from spoofscope.metrics.slices import Found, found_rate, resampled_rates
from spoofscope.names import BONAFIDE, NONE, UNKNOWN
from spoofscope.options import check_resamples
from spoofscope.selection.operating_points import Floats

METRICS = (
    *("macro_f1", "accuracy", "bonafide_rejected", "spoof_accepted"),
    *("f1_bonafide", "f1_attacks", "f1_unknown"),
)
"""macro_f1: mean F1 of the classes that occur. spoof_accepted: spoofs that pass as bona fide.
f1_attacks: mean F1 of the known attacks that occur."""

SCHEMA: dict[str, pl.DataType] = {
    "class": pl.String(),
    "metric": pl.String(),
    "estimate": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
    "reason": pl.String(),
}
"""Columns of the metrics. class: "-" of what is about all classes; n: clips of the class."""


def measure_decisions(
    truth: Sequence[str],
    decisions: Sequence[str],
    attacks: Sequence[str],
    units: Sequence[str],
    *,
    resamples: int,
    seed: int,
) -> pl.DataFrame:
    """Rates of decisions, with 95 % intervals of those about all classes.

    Args:
        truth, decisions: (n,) `bonafide`, a known attack, or `unknown`.
        attacks: the K known ones.
        units: (n,) what each clip is drawn with: its attack, speaker or text.
        resamples: at least 100; 0 makes no intervals.
        seed: of the resamples.

    Returns:
        Columns :data:`SCHEMA`: :data:`METRICS` of all classes, null where a kind of clip is
        missing, with the reason; then precision, recall and f1 of every class that occurs.

    Raises:
        ConfigError: too few resamples.
        SpoofscopeError: no clips.
    """
    check_resamples(resamples, "bootstrap.resamples")
    classes = [BONAFIDE, *attacks, UNKNOWN]
    numbers = {name: i for i, name in enumerate(classes)}
    true = np.array([numbers[name] for name in truth], dtype=np.int64)
    said = np.array([numbers[name] for name in decisions], dtype=np.int64)
    confusion = confusion_matrix(true, said, len(classes))
    kinds = {
        "bona fide": true == 0,
        "known": (true > 0) & (true < len(classes) - 1),
        "unknown": true == len(classes) - 1,
    }
    there = (confusion.sum(axis=1) > 0) * 1.0
    values = [float(value) for value in _rates(confusion, there)]
    found = _with_intervals(
        values, true, said, kinds, np.asarray(units), resamples, seed, len(classes)
    )
    rows = [
        {"class": NONE, "metric": name, **_fields(one), "n": true.size}
        for name, one in zip(METRICS, found, strict=True)
    ]
    for row in per_class(confusion, classes).iter_rows(named=True):
        for metric in ("precision", "recall", "f1"):
            one = Found(row[metric], None, "no interval: of single classes none is worked out")
            rows.append({"class": row["class"], "metric": metric, **_fields(one), "n": row["n"]})
    return pl.DataFrame(rows, schema=SCHEMA)


def _fields(found: Found) -> dict[str, float | str | None]:
    low, high = found.interval or (None, None)
    return {"estimate": found.estimate, "low": low, "high": high, "reason": found.reason}


def _rates(confusion: npt.NDArray[np.int64] | Floats, weights: Floats) -> tuple[Floats, ...]:
    """:data:`METRICS` of confusion matrices (..., K + 2, K + 2); not a number where a kind lacks.

    Args:
        confusion: rows are the truth.
        weights: (..., K + 2) of the classes in means, 0 of those that do not occur.
    """
    f1 = of_classes(confusion).f1
    counts = confusion.sum(axis=-1)
    spoofs = counts[..., 1:].sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return (
            weighted_mean(f1, weights),
            np.einsum("...kk->...", confusion) / counts.sum(axis=-1),
            1 - confusion[..., 0, 0] / counts[..., 0],
            confusion[..., 1:, 0].sum(axis=-1) / spoofs,
            np.where(counts[..., 0] > 0, f1[..., 0], np.nan),
            weighted_mean(f1[..., 1:-1], weights[..., 1:-1]),
            np.where(counts[..., -1] > 0, f1[..., -1], np.nan),
        )


def _with_intervals(
    values: Sequence[float],
    true: npt.NDArray[np.int64],
    said: npt.NDArray[np.int64],
    kinds: Mapping[str, npt.NDArray[np.bool_]],
    units: npt.NDArray[np.str_],
    resamples: int,
    seed: int,
    n_classes: int,
) -> list[Found]:
    lacking = [name for name, of_kind in kinds.items() if not of_kind.any()]
    counted = {
        name: Trials(np.unique(units[of_kind]).size, int(of_kind.sum()))
        for name, of_kind in kinds.items()
        if of_kind.any()
    }
    single = [name for name, trials in counted.items() if trials.units < 2]
    reason = ""
    if not resamples:
        reason = "no interval: none was asked for"
    elif single:
        reason = f"no interval: all {single[0]} clips are drawn as one"
    drawn: list[Floats] | list[None] = [None] * len(values)
    if not reason:
        draws = bootstrap.Draws(kinds["bona fide"], units, resamples, rng_of(seed, "bootstrap"))
        rows = np.arange(true.size)
        drawn = resampled_rates(draws, rows, true, said, n_classes, _rates)
    rarest = Trials(*(min(pair) for pair in zip(*counted.values(), strict=True)))
    spoofs = [counted[name] for name in ("known", "unknown") if name in counted]
    everything = Trials(*(sum(pair) for pair in zip(*counted.values(), strict=True)))
    deciding = {
        "accuracy": everything,
        "bonafide_rejected": counted.get("bona fide", rarest),
        "spoof_accepted": Trials(*(sum(pair) for pair in zip(*spoofs, strict=True)))
        if spoofs
        else rarest,
    }
    found = []
    for name, value, resampled in zip(METRICS, values, drawn, strict=True):
        if not np.isfinite(value):
            found.append(Found(None, None, f"no {' and no '.join(lacking)} clips"))
        elif resampled is None:
            found.append(Found(value, None, reason))
        else:
            found.append(found_rate(value, resampled, deciding.get(name, rarest)))
    return found
