"""Tables of a traced protocol: all clips, and per language, quadrant, family and unknown attack.

Intervals are those of `metrics.measure`: whole attacks, or whole source texts, are drawn again with
replacement, and no interval is narrower than their number allows (`metrics.limits`). Where attacks
are drawn, an average over known attacks counts one that is drawn twice as two: otherwise it would
look surer than so few attacks are.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.sparse import csr_array

from spoofscope.errors import TableError
from spoofscope.identity import rng_of
from spoofscope.metrics import bootstrap, closed_set, open_set
from spoofscope.metrics.closed_set import ClosedSet, Ids, confusion_matrix
from spoofscope.metrics.limits import Interval, Trials, hull, percentile_interval, rate_limits
from spoofscope.metrics.measure import Metric, measure
from spoofscope.metrics.open_set import AtThreshold
from spoofscope.metrics.tables import clusters_of
from spoofscope.names import NONE
from spoofscope.options import check_resamples, nearest
from spoofscope.selection.operating_points import Floats

COLUMNS: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "attack": pl.String(),
    "known": pl.Boolean(),
    "known_id": pl.Int64(),
    "family": pl.String(),
    "language": pl.String(),
    "quadrant": pl.String(),
    "source_text": pl.String(),
    "predicted": pl.Int64(),
}
"""What a traced protocol has, besides a column `ood_{detector}` for every detector."""

SCHEMA: dict[str, pl.DataType] = {
    "slice": pl.String(),
    "value": pl.String(),
    "detector": pl.String(),
    "metric": pl.String(),
    "estimate": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n_known": pl.Int64(),
    "n_unknown": pl.Int64(),
    "reason": pl.String(),
}

SCORE = "ood_"
OVERALL, WITHOUT, STRICT = "overall", "without", "strict"
LEVELS = ("language", "quadrant", "family")
CLOSED = ClosedSet._fields
SCORED: dict[str, Metric] = {
    "auroc": Metric("AUROC", lambda u, k: open_set.auroc(k, u), bootstrap.auc, "rarer"),
    "aupr_unknown": Metric(
        "AUPR of unknown",
        lambda u, k: open_set.aupr_unknown(k, u),
        open_set.aupr_unknown_of,
        "rarer",
    ),
    "aupr_known": Metric(
        "AUPR of known", lambda u, k: open_set.aupr_known(k, u), open_set.aupr_known_of, "rarer"
    ),
    "eer": Metric("EER", lambda u, k: open_set.eer(k, u).value, bootstrap.eer, "rarer"),
    "fpr95": Metric("FPR95", lambda u, k: open_set.fpr95(k, u), open_set.fpr95_of, "rarer"),
}
"""Metrics of ood_score alone; of unknown scores u and known scores k."""
OPEN = (*SCORED, "oscr", *AtThreshold._fields)

# Numbers of so many cells of confusion matrices, over resamples, are held at once.
_AT_ONCE = 2**22

Rows = npt.NDArray[np.intp]


class _Slice(NamedTuple):
    """Clips that are looked at together. own: whether the known ones are of the slice itself."""

    name: str
    value: str
    known: Rows
    unknown: Rows
    own: bool = True


class Found(NamedTuple):
    """A rate, None where it cannot be said, its interval, and why one of them is missing."""

    estimate: float | None
    interval: Interval | None = None
    reason: str = ""


@dataclass(frozen=True)
class _Protocol:
    """The columns of a traced protocol as arrays, and the resamples of its units."""

    known: npt.NDArray[np.bool_]
    truth: Ids
    predicted: Ids
    n_known: int
    unit: str
    draws: bootstrap.Draws | None
    no_draws: str

    def units(self, rows: Rows) -> int:
        """How many units the rows are of."""
        return 0 if self.draws is None else int(np.unique(self.draws.units[rows]).size)

    def why_not(self, kinds: Mapping[str, Rows]) -> str:
        """Why there is no interval; empty where there is one."""
        if self.draws is None:
            return self.no_draws
        for kind, rows in kinds.items():
            if self.units(rows) < 2:
                return f"no interval: all {kind} clips are of one {self.unit}"
        return ""


def slices(
    table: pl.DataFrame,
    thresholds: Mapping[str, float],
    *,
    unit: Literal["attack", "source_text"] = "attack",
    ambiguous: Collection[str] = (),
    resamples: int = 0,
    seed: int = 1,
) -> pl.DataFrame:
    """All closed-set and open-set metrics, overall and per slice, with 95 % intervals.

    Slices are `overall`; `without` the ambiguous attacks; `strict`, without unknown attacks of a
    family that a known one has; the levels of `language`, `quadrant` and `family`; and every
    unknown `attack`. The known clips of a language are held against the unknown ones of that
    language. A quadrant, a family or an attack that has clips of one kind alone is held against
    all clips of the other. A level "-" is none.

    Args:
        table: the columns :data:`COLUMNS`, and `ood_{detector}` (higher = more unknown). known_id
            is -1 where the attack is unknown, predicted the likeliest known id.
        thresholds: by detector, from dev.
        unit: what is drawn as a whole for intervals; a text "-" is drawn by itself.
        ambiguous: attacks whose name does not say whether they are known, such as new versions of
            a known one.
        resamples: at least 100; 0 makes no intervals.
        seed: of the resamples.

    Returns:
        Columns :data:`SCHEMA`; `detector` is "-" in rows of closed-set metrics. A slice with clips
        of one kind has of the open-set metrics their error rate alone. Where there is no estimate,
        or no interval, these are null and `reason` says why; else it is empty.

    Raises:
        TableError: a column is missing or of another type, has an empty value, or contradicts
            another one; a detector has no threshold; an ambiguous attack is none of the table.
        SpoofscopeError: a score is not finite.
        ConfigError: too few resamples.
    """
    check_resamples(resamples, "bootstrap.resamples")
    detectors = _detectors(table, thresholds)
    _check(table, ambiguous)
    # Draws are by row, so the order of the rows must not show in the numbers.
    table = table.sort("utt_id")
    protocol = _protocol(table, unit, resamples, seed)
    rows: list[dict[str, Any]] = []
    for each in _slices(table, ambiguous):
        found = {(NONE, name): value for name, value in _closed(protocol, each).items()}
        for name in detectors:
            scores = table[SCORE + name].to_numpy()
            of_detector = _open(protocol, each, scores, thresholds[name])
            found |= {(name, metric): value for metric, value in of_detector.items()}
        for (detector, metric), (estimate, interval, reason) in found.items():
            rows.append(
                {
                    "slice": each.name,
                    "value": each.value,
                    "detector": detector,
                    "metric": metric,
                    "estimate": estimate,
                    "low": None if interval is None else interval.low,
                    "high": None if interval is None else interval.high,
                    "n_known": each.known.size,
                    "n_unknown": 0 if detector == NONE else each.unknown.size,
                    "reason": reason,
                }
            )
    return pl.DataFrame(rows, schema=SCHEMA)


def _detectors(table: pl.DataFrame, thresholds: Mapping[str, float]) -> list[str]:
    names = [name.removeprefix(SCORE) for name in table.columns if name.startswith(SCORE)]
    for name in names:
        if name not in thresholds:
            raise TableError(
                f"the traced clips have scores of {name!r}, and there is no threshold of it; "
                f"{nearest(name, thresholds)}"
            )
        if table[SCORE + name].dtype != pl.Float64() or table[SCORE + name].has_nulls():
            raise TableError(f"column {SCORE + name!r} has to have a number in every row")
    return names


def _check(table: pl.DataFrame, ambiguous: Collection[str]) -> None:
    for name, kind in COLUMNS.items():
        if name not in table.columns:
            raise TableError(
                f"the traced clips have no column {name!r}; {nearest(name, table.columns)}"
            )
        if table[name].dtype != kind or table[name].has_nulls():
            raise TableError(
                f"the traced clips: column {name!r} has to be {kind} without empty values"
            )
    if table.is_empty():
        raise TableError("there are no traced clips")
    odd = table.filter(pl.col("known") != (pl.col("known_id") >= 0))
    if odd.height:
        raise TableError(
            f"{odd['utt_id'][0]!r}: its attack is {'' if odd['known'][0] else 'un'}known and has "
            f"the known id {odd['known_id'][0]}; unknown attacks, and no others, have -1"
        )
    for attack in ambiguous:
        if attack not in table["attack"]:
            raise TableError(
                f"the attack {attack!r} is called ambiguous, and no traced clip has it; "
                f"{nearest(attack, table['attack'].unique().to_list())}"
            )


def _protocol(table: pl.DataFrame, unit: str, resamples: int, seed: int) -> _Protocol:
    known = table["known"].to_numpy()
    units = clusters_of(table, unit).to_numpy()
    draws, no_draws = None, "no interval: none was asked for"
    if resamples and np.unique(units).size < 2:
        no_draws = f"no interval: all clips are of one {unit.replace('_', ' ')}"
    elif resamples:
        draws = bootstrap.Draws(~known, units, resamples, rng_of(seed, "bootstrap"))
    truth, predicted = table["known_id"].to_numpy(), table["predicted"].to_numpy()
    n_known = int(max(truth.max(), predicted.max())) + 1
    return _Protocol(known, truth, predicted, n_known, unit.replace("_", " "), draws, no_draws)


def _slices(table: pl.DataFrame, ambiguous: Collection[str]) -> Iterator[_Slice]:
    known = table["known"].to_numpy()

    def both(chosen: pl.Series) -> tuple[Rows, Rows]:
        there = chosen.to_numpy()
        return np.flatnonzero(there & known), np.flatnonzero(there & ~known)

    everything = pl.repeat(True, table.height, eager=True)
    all_known, all_unknown = both(everything)
    yield _Slice(OVERALL, NONE, all_known, all_unknown)
    if ambiguous:
        others = ~table["attack"].is_in(list(ambiguous))
        yield _Slice(WITHOUT, ", ".join(sorted(ambiguous)), *both(others))
    of_known = table.filter("known")["family"].unique().to_list()
    shared = table["family"].is_in([*of_known, NONE])
    yield _Slice(STRICT, NONE, all_known, both(~shared)[1])
    for column in LEVELS:
        for level in sorted(set(table[column]) - {NONE}):
            own_known, own_unknown = both(table[column] == level)
            if column == "language":
                yield _Slice(column, level, own_known, own_unknown)
            else:
                yield _Slice(
                    column,
                    level,
                    own_known if own_known.size else all_known,
                    own_unknown if own_unknown.size else all_unknown,
                    own=own_known.size > 0,
                )
    for attack in sorted(set(table.filter(~pl.col("known"))["attack"])):
        yield _Slice("attack", attack, all_known, both(table["attack"] == attack)[1], own=False)


def _closed(protocol: _Protocol, each: _Slice) -> dict[str, Found]:
    """Closed-set metrics of the known clips of a slice; none where these are not its own."""
    if not each.own:
        return {}
    if each.known.size == 0:
        return {name: Found(None, None, "no known clips") for name in CLOSED}
    truth, said = protocol.truth[each.known], protocol.predicted[each.known]
    values = closed_set.closed_set(confusion_matrix(truth, said, protocol.n_known))
    reason, draws = protocol.why_not({"known": each.known}), protocol.draws
    if reason or draws is None:
        return {name: Found(value, None, reason) for name, value in values._asdict().items()}
    drawn = resampled_rates(
        draws, each.known, truth, said, protocol.n_known, closed_set.closed_rates
    )
    counted = Trials(protocol.units(each.known), each.known.size)
    return {
        name: found_rate(value, of_metric, counted)
        for (name, value), of_metric in zip(values._asdict().items(), drawn, strict=True)
    }


def _open(protocol: _Protocol, each: _Slice, scores: Floats, threshold: float) -> dict[str, Found]:
    """Open-set metrics of a slice and a detector; of one kind of clips only its error rate."""
    for kind, rows in (("known", each.known), ("unknown", each.unknown)):
        if rows.size == 0:
            nothing = {name: Found(None, None, f"no {kind} clips") for name in OPEN}
            return nothing | _of_one_kind(protocol, each, scores, threshold)
    known, unknown = scores[each.known], scores[each.unknown]
    correct = protocol.predicted[each.known] == protocol.truth[each.known]
    area = open_set.oscr(known, correct, unknown)
    rows = np.concatenate([each.known, each.unknown])
    confusion = open_set.open_confusion(
        protocol.truth[rows], protocol.predicted[rows], scores[rows], threshold, protocol.n_known
    )
    at = open_set.at_threshold(confusion)._asdict()
    reason = protocol.why_not({"known": each.known, "unknown": each.unknown})
    draws = protocol.draws
    if reason or draws is None:
        values = measure(unknown, known, SCORED)
        known_values = {name: of_metric.value for name, of_metric in values.items()}
        return {
            name: Found(value, None, reason)
            for name, value in (known_values | {"oscr": area} | at).items()
        }
    units = draws.units[each.unknown], draws.units[each.known]
    counted = {
        kind: Trials(protocol.units(own), own.size)
        for kind, own in (("known", each.known), ("unknown", each.unknown))
    }
    rarer = Trials(*(min(pair) for pair in zip(*counted.values(), strict=True)))
    found = {}
    for name, (value, interval, _) in measure(unknown, known, SCORED, units, draws).items():
        found[name] = Found(value, interval, "" if interval else _ALIKE)
    found["oscr"] = found_rate(area, _resampled_oscr(protocol, each, scores, correct), rarer)
    true = np.where(protocol.known[rows], protocol.truth[rows], protocol.n_known)
    said = np.where(scores[rows] >= threshold, protocol.n_known, protocol.predicted[rows])
    drawn = resampled_rates(draws, rows, true, said, protocol.n_known + 1, _rates_of_both_kinds)
    deciding = {"known_rejected": counted["known"], "unknown_accepted": counted["unknown"]}
    for (name, value), of_metric in zip(at.items(), drawn, strict=True):
        found[name] = found_rate(value, of_metric, deciding.get(name, rarer))
    return found


def _of_one_kind(
    protocol: _Protocol, each: _Slice, scores: Floats, threshold: float
) -> dict[str, Found]:
    """The error rate at the threshold of the kind that a slice has, where it has one."""
    if each.known.size:
        kind, name, rows = "known", "known_rejected", each.known
        wrong = scores[rows] >= threshold
    elif each.unknown.size:
        kind, name, rows = "unknown", "unknown_accepted", each.unknown
        wrong = scores[rows] < threshold
    else:
        return {}
    value, draws = float(wrong.mean()), protocol.draws
    reason = protocol.why_not({kind: rows})
    if reason or draws is None:
        return {name: Found(value, None, reason)}
    units, n_units = draws.units[rows], draws.times.shape[1]
    n_wrong, n = (
        draws.times @ np.bincount(units[chosen], minlength=n_units)
        for chosen in (wrong, np.ones_like(wrong))
    )
    with np.errstate(invalid="ignore"):
        drawn = n_wrong / n
    return {name: found_rate(value, drawn, Trials(protocol.units(rows), rows.size))}


def _rates_of_both_kinds(confusion: Floats, weights: Floats) -> tuple[Floats, ...]:
    """As `open_set.rates_at_threshold`; not a number where a resample lacks a kind."""
    counts = confusion.sum(axis=-1)
    lacking = (counts[..., :-1].sum(axis=-1) == 0) | (counts[..., -1] == 0)
    rates = open_set.rates_at_threshold(confusion, weights)
    return tuple(np.where(lacking, np.nan, of_metric) for of_metric in rates)


_ALIKE = "no interval: all resamples are alike"


def found_rate(value: float, resamples: Floats, counted: Trials) -> Found:
    """A rate with 95 % of its resamples, widened to the limits."""
    drawn = resamples[np.isfinite(resamples)]
    if drawn.size == 0:
        return Found(value, None, _ALIKE)
    limits = rate_limits(value, drawn, counted)
    interval = hull(percentile_interval(drawn), Interval(value, value), limits)
    if interval.low == interval.high:
        return Found(value, None, _ALIKE)
    return Found(value, interval)


def resampled_rates(
    draws: bootstrap.Draws,
    rows: Rows,
    truth: Ids,
    said: Ids,
    n_classes: int,
    rates: Callable[[Floats, Floats], tuple[Floats, ...]],
) -> list[Floats]:
    """Rates of the confusion matrices of all resamples, (n_resamples,) each.

    Not a number where a resample has no clip of the rows. A class weighs as often as its units are
    drawn, over how many it has.

    Args:
        draws: the resamples.
        rows: which of their trials are counted.
        truth, said: class ids of these rows.
        n_classes: how many there are.
        rates: of confusion matrices and the weights of their classes.
    """
    units = draws.units[rows]
    n_units = draws.times.shape[1]
    ones = np.ones(rows.size, dtype=np.int64)
    cells = csr_array((ones, (truth * n_classes + said, units)), shape=(n_classes**2, n_units))
    has = csr_array((ones, (truth, units)), shape=(n_classes, n_units))
    has.data[:] = 1
    of_class = np.maximum(np.asarray(has.sum(axis=1)), 1)
    step = max(1, _AT_ONCE // n_classes**2)
    parts = []
    for start in range(0, len(draws.times), step):
        times = draws.times[start : start + step].T
        counts = np.asarray(cells @ times, dtype=np.float64).T
        confusion = counts.reshape(-1, n_classes, n_classes)
        weights = (has @ times).T / of_class
        with np.errstate(invalid="ignore"):
            parts.append(rates(confusion, weights))
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def _resampled_oscr(
    protocol: _Protocol, each: _Slice, scores: Floats, correct: npt.NDArray[np.bool_]
) -> Floats:
    """The area below the OSCR curve of all resamples, by its product form; see `open_set.oscr`."""
    draws = protocol.draws
    assert draws is not None
    right = each.known[correct]
    if right.size == 0:
        return np.zeros(len(draws.times))
    sample = bootstrap.Sample(
        scores[each.unknown],
        scores[right],
        (draws.units[each.unknown], draws.units[right]),
        draws,
    )
    observed = open_set.auroc(scores[right], scores[each.unknown])
    (areas,) = sample.values([bootstrap.auc], [observed])
    n_units = draws.times.shape[1]
    n_right, n_known, n_unknown = (
        draws.times @ np.bincount(draws.units[rows], minlength=n_units)
        for rows in (right, each.known, each.unknown)
    )
    with np.errstate(invalid="ignore"):
        # Where no clip is right, there is no area.
        values = np.where(n_right == 0, 0.0, areas * (n_right / n_known))
    return np.where((n_known == 0) | (n_unknown == 0), np.nan, values)
