"""The table of operating points: one kind of error at 1 % or 0.1 %, and the rate of the other."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.exhibits import Table
from spoofscope.metrics.fixed_rates import HELD, RATES, class_of, errors_allowed, metric, point
from spoofscope.metrics.measure import measure
from spoofscope.metrics.tables import draw
from spoofscope.summaries.inputs import read_scored
from spoofscope.tables import LABELS, read_table, write_table

TABLE = Table(
    title="Operating points",
    shows="Errors of one kind where those of the other kind are held at 1 % or 0.1 %.",
    caption=(
        "One row per system, evaluation set and held error. held_error is at most held_at; rate is "
        "the share of the other error there, with its 95 % interval. The threshold is chosen on "
        "the set itself, as that of the EER; one chosen elsewhere holds no such rate. n_errors "
        "is how many errors the held rate allows: with fewer than one, there is no point (column "
        "why); with few, the threshold hangs on these few trials."
    ),
    needs="scores_of_eval_sets",
    place=25,
    printed=(
        "name",
        "corpus",
        "split",
        "held_error",
        "held_at",
        "rate",
        "n_errors",
        "n_bonafide",
        "n_spoof",
    ),
)

_SCHEMA: dict[str, pl.DataType] = {
    "name": pl.String(),
    "seed": pl.Int64(),
    "corpus": pl.String(),
    "split": pl.String(),
    "held_error": pl.String(),
    "held_at": pl.Float64(),
    "threshold": pl.Float64(),
    "rate": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "n_errors": pl.Int64(),
    "n_bonafide": pl.Int64(),
    "n_spoof": pl.Int64(),
    "why": pl.String(),
}
_OPTIONAL = ("threshold", "rate", "ci_low", "ci_high")
_CLASSES = {"bonafide": "bona fide trials", "spoof": "spoofs"}


def make(
    scored: Sequence[Mapping[str, Any]],
    outputs: Mapping[str, str],
    *,
    resamples: int,
    bootstrap_seed: int,
    cluster: str | None,
) -> None:
    """Write the table, see :func:`operating_points`."""
    write_table(outputs["table"], operating_points(scored, resamples, bootstrap_seed, cluster))


def operating_points(
    scored: Sequence[Mapping[str, Any]], resamples: int, seed: int, cluster: str | None
) -> pl.DataFrame:
    """All points of all systems on their evaluation sets.

    Args:
        scored: of every score file the name and seed of its system, corpus, split, `scores` (the
            file) and `manifest`.
        resamples, seed, cluster: of the bootstrap, see `metrics.tables.evaluate`.

    Returns:
        name, seed, corpus, split, held_error (spoof_accepted or bonafide_rejected), held_at (its
        rate), threshold, rate (of the other error) with its interval, n_errors (that the held rate
        allows), n_bonafide, n_spoof, why (there is no point; else "-"). A set of one class has no
        rows.

    Raises:
        TableError, SpoofscopeError: as `metrics.tables.evaluate`.
    """
    rows = [row for entry in scored for row in _rows(entry, resamples, seed, cluster)]
    return pl.DataFrame(rows, schema=_SCHEMA)


def _rows(
    entry: Mapping[str, Any], resamples: int, seed: int, cluster: str | None
) -> Iterator[dict[str, Any]]:
    trials = read_scored(entry["scores"], entry["manifest"], entry["split"]).sort("utt_id")
    if trials["label"].n_unique() < len(LABELS):
        return
    is_bonafide = (trials["label"] == LABELS[0]).to_numpy()
    scores = trials["score"].to_numpy()
    bonafide, spoof = scores[is_bonafide], scores[~is_bonafide]
    draws = draw(trials, resamples, seed, cluster) if resamples else None
    units = None if draws is None else (draws.units[is_bonafide], draws.units[~is_bonafide])
    points = {
        (held, rate): found
        for held in HELD
        for rate in RATES
        if (found := point(bonafide, spoof, held, rate)) is not None
    }
    metrics = {f"{held} {rate}": metric(held, rate) for held, rate in points}
    measured = measure(bonafide, spoof, metrics, units, draws)
    for held in HELD:
        for rate in RATES:
            of_point = measured.get(f"{held} {rate}")
            there = points.get((held, rate))
            interval = of_point.interval if of_point else None
            yield {
                **{key: entry[key] for key in ("name", "seed", "corpus", "split")},
                "held_error": held,
                "held_at": rate,
                "threshold": there.threshold if there else None,
                "rate": there.rate if there else None,
                "ci_low": interval.low if interval else None,
                "ci_high": interval.high if interval else None,
                "n_errors": errors_allowed(held, rate, bonafide.size, spoof.size),
                "n_bonafide": bonafide.size,
                "n_spoof": spoof.size,
                "why": "-" if there else f"fewer than {1 / rate:.0f} {_CLASSES[class_of(held)]}",
            }


def read_operating_points(path: str) -> pl.DataFrame:
    """The table; what is not defined is null.

    Raises:
        TableError: as `tables.read_table`.
    """
    required = {name: kind for name, kind in _SCHEMA.items() if name not in _OPTIONAL}
    return read_table(path, required, {name: _SCHEMA[name] for name in _OPTIONAL})
