"""Robustness: error rates of laundered recordings at a threshold that stays, and worst cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from spoofscope.errors import SpoofscopeError, TableError
from spoofscope.exhibits import Table
from spoofscope.metrics.limits import (
    Interval,
    highest_difference_limits,
    highest_limits,
    hull,
    within,
)
from spoofscope.metrics.measure import METRICS, Measured, measure, threshold_metrics
from spoofscope.metrics.paired import tested
from spoofscope.metrics.rates import Floats
from spoofscope.metrics.tables import draw
from spoofscope.options import check_resamples
from spoofscope.robustness.tables import CLEAN, read_laundered
from spoofscope.summaries.thresholds import fixed_threshold
from spoofscope.tables import LABELS, read_manifest, read_table, write_table

TABLE = Table(
    title="Robustness",
    shows="Error rates of laundered recordings at a fixed threshold, and the worst case of each.",
    caption=(
        "One row per detector, change, severity and metric; severity 0 is clean, 1 the mildest "
        "chain of the change. Every recording of both classes goes through the chain and is "
        "rounded to 16 bits, as the clean ones are. bonafide_rejected, spoof_accepted and their "
        "mean, hter, are at the threshold that was chosen before; eer is that of the best "
        "threshold for each row. difference is value less that of the clean recordings, above 0 "
        "where the detector got worse. Intervals are 95 %; those of differences are paired. "
        "n_units: speakers, or recordings, of the class that decides. robustness.worst.tsv ranks "
        "detectors by the highest hter of any change, rank 1 being the worst. The highest of many "
        "is too high by chance; there, the intervals of hter, difference and gap hold for the "
        "highest, whichever change it is. gap is hter less that of the next rank, on the same "
        "resamples: where its interval holds 0, their order is not known."
    ),
    needs="laundered_scores",
    place=70,
    more=("worst",),
    printed=(
        "rank",
        "name",
        "corpus",
        "split",
        "change",
        "severity",
        "chain",
        "metric",
        "value",
        "hter",
        "difference",
        "gap",
        "n_bonafide",
        "n_spoof",
    ),
)

SHOWN = ("eer", "bonafide_rejected", "spoof_accepted", "hter")
"""The metrics."""

_SET = ("name", "corpus", "split")
_OWN = {**dict.fromkeys(_SET, pl.String()), "seed": pl.Int64()}
_COUNTS = dict.fromkeys(("n_bonafide", "n_spoof", "n_units"), pl.Int64())
_COLUMNS: dict[str, pl.DataType] = {
    **_OWN,
    "change": pl.String(),
    "severity": pl.Int64(),
    **dict.fromkeys(("chain", "metric"), pl.String()),
    **dict.fromkeys(("value", "difference"), pl.Float64()),
    **_COUNTS,
}
_OPTIONAL = ("ci_low", "ci_high", "difference_low", "difference_high")
_ORDER = (
    *(*_OWN, "change", "severity", "chain", "metric", "value", "ci_low", "ci_high"),
    *("difference", "difference_low", "difference_high", *_COUNTS),
)
_WORST_COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("corpus", "split"), pl.String()),
    "rank": pl.Int64(),
    "name": pl.String(),
    "seed": pl.Int64(),
    "change": pl.String(),
    "severity": pl.Int64(),
    "chain": pl.String(),
    **dict.fromkeys(("clean_hter", "hter", "difference"), pl.Float64()),
    **dict.fromkeys(("bonafide_rejected", "spoof_accepted", "eer"), pl.Float64()),
    "n_changes": pl.Int64(),
    **_COUNTS,
}
_WORST_OPTIONAL = (
    *("hter_low", "hter_high", "difference_low", "difference_high", "gap", "gap_low", "gap_high"),
)
_WORST_ORDER = (
    *("corpus", "split", "rank", "name", "seed", "change", "severity", "chain", "clean_hter"),
    *("hter", "hter_low", "hter_high", "difference", "difference_low", "difference_high"),
    *("gap", "gap_low", "gap_high", "bonafide_rejected", "spoof_accepted", "eer", "n_changes"),
    *_COUNTS,
)


@dataclass(frozen=True)
class _Form:
    """All recordings of a set under one chain.

    measured: name to metric. units: name of a metric to the units of the class that decides it.
    """

    change: str
    severity: int
    chain: str
    measured: Mapping[str, Measured]
    units: Mapping[str, int]


@dataclass(frozen=True)
class _Judged:
    """One detector on one set, clean and laundered.

    entry: see :func:`robustness`. ids: of the recordings. forms: the clean one is the first.
    counts: n_bonafide and n_spoof.
    """

    entry: Mapping[str, Any]
    ids: Sequence[str]
    forms: Sequence[_Form]
    counts: Mapping[str, int]

    @property
    def own(self) -> dict[str, Any]:
        """Whose these are."""
        return {key: self.entry[key] for key in _OWN}

    @property
    def worst(self) -> _Form:
        """The change with the highest HTER; the first of equal ones."""
        return max(self.forms[1:], key=lambda form: _value(form, "hter"))

    @property
    def changed(self) -> Floats:
        """The HTER of every change, (k,)."""
        return np.array([_value(form, "hter") for form in self.forms[1:]])

    @property
    def changed_resampled(self) -> Floats | None:
        """The same of all resamples, (k, r)."""
        resamples = [form.measured["hter"].resamples for form in self.forms[1:]]
        known = [drawn for drawn in resamples if drawn is not None]
        return np.stack(known) if len(known) == len(resamples) else None


def make(
    laundered: Sequence[Mapping[str, Any]],
    outputs: Mapping[str, str],
    *,
    resamples: int,
    bootstrap_seed: int,
    cluster: str | None,
) -> None:
    """Write the table, see :func:`robustness`, and `worst`, see :func:`worst_cases`."""
    check_resamples(resamples, "robustness.resamples")
    judged = [_judged(entry, resamples, bootstrap_seed, cluster) for entry in laundered]
    write_table(outputs["table"], robustness(judged))
    write_table(outputs["worst"], worst_cases(judged))


def _judged(entry: Mapping[str, Any], resamples: int, seed: int, cluster: str | None) -> _Judged:
    """All metrics of one detector on one set.

    Raises:
        TableError: the table is damaged, or does not fit its manifest.
        SpoofscopeError: the detector has no threshold, or a class is missing.
    """
    scores = read_laundered(entry["scores"])
    manifest = read_manifest(entry["manifest"]).filter(split=entry["split"])
    ids = scores["utt_id"].unique().sort()
    trials = manifest.filter(pl.col("utt_id").is_in(ids.implode())).sort("utt_id")
    if trials.height < ids.len():
        raise TableError(
            f"{entry['scores']}: an utterance is not in {entry['manifest']}; delete it, and the "
            "next run makes it again"
        )
    is_bonafide = (trials["label"] == LABELS[0]).to_numpy()
    if is_bonafide.all() or not is_bonafide.any():
        raise SpoofscopeError(
            f"{entry['scores']}: all recordings are of one class, so there are no error rates; "
            "name trials of both classes (robustness.trials)"
        )
    draws = draw(trials, resamples, seed, cluster)
    assert draws is not None
    units = draws.units[is_bonafide], draws.units[~is_bonafide]
    n_bonafide, n_spoof = (np.unique(u).size if draws.clustered else u.size for u in units)
    deciding = {"bonafide": n_bonafide, "spoof": n_spoof, "rarer": min(n_bonafide, n_spoof)}
    known = {**METRICS, **threshold_metrics(fixed_threshold(entry, "robustness"))}
    metrics = {name: known[name] for name in SHOWN}
    forms = []
    keys = scores.select("change", "severity", "chain").unique(maintain_order=True).rows()
    for change, severity, chain in sorted(keys, key=lambda key: (key[0] != CLEAN, key)):
        of_form = scores.filter(change=change, severity=severity).sort("utt_id")["score"].to_numpy()
        measured = measure(of_form[is_bonafide], of_form[~is_bonafide], metrics, units, draws)
        own_units = {name: deciding[str(metric.counted)] for name, metric in metrics.items()}
        forms.append(_Form(change, severity, chain, measured, own_units))
    counts = {"n_bonafide": int(is_bonafide.sum()), "n_spoof": int((~is_bonafide).sum())}
    return _Judged(entry, ids.to_list(), forms, counts)


def _value(form: _Form, metric: str) -> float:
    value = form.measured[metric].value
    assert value is not None  # Both classes are there.
    return value


def _less(
    first: Floats | None, second: Floats | None, difference: float, units: int
) -> tuple[float | None, float | None]:
    """The paired interval of a difference of rates; its ends are None where there is none."""
    if first is None or second is None:
        return None, None
    row = tested(first - second, difference, 1.0, units)
    return row["ci_low"], row["ci_high"]


def robustness(judged: Sequence[_Judged]) -> pl.DataFrame:
    """All metrics of all changes, and how much worse they are than without a change.

    Args:
        judged: every detector on every set.

    Returns:
        The columns in the caption. The clean rows have :data:`robustness.tables.CLEAN` as their
        change, and a difference of 0 without an interval.
    """
    rows = []
    for one in judged:
        clean = one.forms[0]
        for form in one.forms:
            for metric in SHOWN:
                measured = form.measured[metric]
                difference = _value(form, metric) - _value(clean, metric)
                drawn = None if form is clean else measured.resamples
                paired = _less(
                    drawn, clean.measured[metric].resamples, difference, form.units[metric]
                )
                interval = measured.interval
                rows.append(
                    {
                        **one.own,
                        "change": form.change,
                        "severity": form.severity,
                        "chain": form.chain,
                        "metric": metric,
                        "value": measured.value,
                        "ci_low": interval.low if interval else None,
                        "ci_high": interval.high if interval else None,
                        "difference": difference,
                        "difference_low": paired[0],
                        "difference_high": paired[1],
                        **one.counts,
                        "n_units": form.units[metric],
                    }
                )
    schema = {**_COLUMNS, **dict.fromkeys(_OPTIONAL, pl.Float64())}
    return pl.DataFrame(rows, schema=schema).select(_ORDER)


def worst_cases(judged: Sequence[_Judged]) -> pl.DataFrame:
    """The worst change of every detector, and the rank of detectors by it, set by set.

    Args:
        judged: every detector on every set.

    Returns:
        The columns in the caption of the table, sorted by corpus, split and rank. n_changes:
        chains among which the worst was found. The last of a set has no gap.

    Raises:
        TableError: detectors were not judged on the same recordings of a set.
    """
    rows: list[dict[str, Any]] = []
    sets: dict[tuple[str, str], list[_Judged]] = {}
    for one in judged:
        sets.setdefault((one.entry["corpus"], one.entry["split"]), []).append(one)
    for of_set in sets.values():
        if any(one.ids != of_set[0].ids for one in of_set):
            raise TableError(
                f"{of_set[0].entry['scores']}: other detectors were judged on other recordings; "
                "delete the folder robustness/, and the next run makes it again"
            )
        ranked = sorted(of_set, key=lambda one: -_value(one.worst, "hter"))
        values = [_value(one.worst, "hter") for one in ranked]
        for one, following in zip(ranked, [*ranked[1:], None], strict=True):
            rows.append({"rank": 1 + values.index(_value(one.worst, "hter")), **_worst(one)})
            if following is not None:
                rows[-1] |= _gap(one, following)
    schema = {**_WORST_COLUMNS, **dict.fromkeys(_WORST_OPTIONAL, pl.Float64())}
    return pl.DataFrame(rows, schema=schema).select(_WORST_ORDER)


def _worst(one: _Judged) -> dict[str, Any]:
    form, clean = one.worst, one.forms[0]
    measured, without = form.measured["hter"], clean.measured["hter"]
    difference = _value(form, "hter") - _value(clean, "hter")
    paired = _less(measured.resamples, without.resamples, difference, form.units["hter"])
    drawn, interval = one.changed_resampled, measured.interval
    if drawn is not None and interval is not None:
        limits = highest_limits(one.changed, drawn, form.units["hter"])
        interval = within(hull(interval, limits), 0.0, 1.0)
    if drawn is not None and without.resamples is not None and paired[0] is not None:
        rises = one.changed - _value(clean, "hter"), drawn - without.resamples
        paired = _widened(paired, highest_limits(*rises, form.units["hter"]))
    return {
        **one.own,
        "change": form.change,
        "severity": form.severity,
        "chain": form.chain,
        "clean_hter": _value(clean, "hter"),
        "hter": measured.value,
        "hter_low": interval.low if interval else None,
        "hter_high": interval.high if interval else None,
        "difference": difference,
        "difference_low": paired[0],
        "difference_high": paired[1],
        **{metric: _value(form, metric) for metric in SHOWN if metric != "hter"},
        "n_changes": len(one.forms) - 1,
        **one.counts,
        "n_units": form.units["hter"],
    }


def _gap(one: _Judged, following: _Judged) -> dict[str, float | None]:
    gap = _value(one.worst, "hter") - _value(following.worst, "hter")
    drawn, others = one.changed_resampled, following.changed_resampled
    if drawn is None or others is None:
        return {"gap": gap, "gap_low": None, "gap_high": None}
    units = one.worst.units["hter"]
    paired = _less(drawn.max(axis=0), others.max(axis=0), gap, units)
    if paired[0] is None:
        return {"gap": gap, "gap_low": None, "gap_high": None}
    limits = highest_difference_limits(one.changed, drawn, following.changed, others, units)
    low, high = _widened(paired, limits)
    return {"gap": gap, "gap_low": low, "gap_high": high}


def _widened(
    ends: tuple[float | None, float | None], limits: Interval
) -> tuple[float | None, float | None]:
    """An interval of a difference of rates, with its limits; none stays none."""
    low, high = ends
    if low is None or high is None:
        return None, None
    return within(hull(Interval(low, high), limits), -1.0, 1.0)


def read_robustness(path: str) -> pl.DataFrame:
    """The table of robustness; an undefined value is null.

    Raises:
        TableError: as `tables.read_table`.
    """
    return read_table(path, _COLUMNS, dict.fromkeys(_OPTIONAL, pl.Float64()))


def read_worst(path: str) -> pl.DataFrame:
    """The table of worst cases; an undefined value is null.

    Raises:
        TableError: as `tables.read_table`.
    """
    return read_table(path, _WORST_COLUMNS, dict.fromkeys(_WORST_OPTIONAL, pl.Float64()))
