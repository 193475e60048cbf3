"""Error rates of a detector on every single generator, and their means.

A generator is a level of the manifest's column `attack`: the system that made the spoofs.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from spoofscope.errors import TableError
from spoofscope.metrics import decisions
from spoofscope.metrics.bootstrap import Draws, Resampled
from spoofscope.metrics.measure import (
    METRICS as ALL_METRICS,
)
from spoofscope.metrics.measure import (
    Measured,
    Metric,
    mean_of,
    measure,
    threshold_metrics,
)
from spoofscope.metrics.rates import Floats
from spoofscope.metrics.tables import draw
from spoofscope.names import MEAN_OF_ALL, MEAN_OF_UNSEEN, POOLED
from spoofscope.options import check_resamples, nearest

METRICS = ("eer", "eer_hard", "accuracy", "balanced_accuracy")

# Relations of a generator to a detector's data. Generators in dev alone take part in selection
# and threshold; a generator that the study leaves out on purpose is as unseen as any other.
TRAINED = "trained on"
DEV_ONLY = "dev only"
LEFT_OUT = "left out"
UNSEEN = "unseen"
UNKNOWN = "unknown"

SCHEMA: dict[str, pl.DataType] = {
    "generator": pl.String(),
    "n_generators": pl.Int64(),
    "n_bonafide": pl.Int64(),
    "n_spoof": pl.Int64(),
    **{name + end: pl.Float64() for name in METRICS for end in ("", "_low", "_high")},
}
_ROW = "row of the trials"


class Cells(NamedTuple):
    """Error rates of a detector on every generator.

    table: a row per generator, columns :data:`SCHEMA`. measured: by generator and metric, with the
    resamples that means over generators need.
    """

    table: pl.DataFrame
    measured: dict[str, dict[str, Measured]]


def cells(
    joined: pl.DataFrame,
    threshold: float | None,
    match: str | None,
    name: str,
    *,
    resamples: int = 0,
    seed: int = 1,
    cluster: str | None = None,
) -> Cells:
    """Error rates of each generator's spoofs against bona fide trials.

    Args:
        joined: label, attack, score (higher = more bona fide) and the column `match`.
        threshold: chosen on development data; None leaves out the metrics that need a threshold.
        match: a column, such as `voice`: a generator's spoofs are compared with the bona fide
            trials that share one of its values there. Speech of another voice or channel differs
            from the spoofs by more than its class. None compares with all bona fide trials.
        name: of the trials, for messages.
        resamples, seed, cluster: of the 95 % intervals, as in `metrics.tables.evaluate`; 0
            resamples make none.

    Returns:
        A row per generator, by name, and a row of all spoofs ("pooled"). Matched trials have no
        pooled row, because it would compare spoofs of one voice with bona fide trials of another.
        `eer` is the EER of the scores, the others are at the threshold; `_low` and `_high` are the
        intervals.

    Raises:
        TableError: there is no column `match`, a generator has no bona fide trials to be compared
            with, or a class is missing.
    """
    bonafide = joined.filter(pl.col("label") == "bonafide")
    spoof = joined.filter(pl.col("label") == "spoof")
    for label, rows in (("bona fide", bonafide), ("spoof", spoof)):
        if rows.is_empty():
            raise TableError(f"{name}: there are no {label} trials to compare generators on")
    if match is not None and match not in joined.columns:
        raise TableError(
            f"{name}: generators are to be matched by {match!r}, which is no column; "
            f"{nearest(match, joined.columns)}"
        )
    check_resamples(resamples, "bootstrap.resamples")
    # Draws are by row, so the order of the rows must not show in the numbers.
    joined = joined.sort("utt_id").with_row_index(_ROW) if resamples else joined
    draws = draw(joined, resamples, seed, cluster) if resamples else None
    bonafide = joined.filter(pl.col("label") == "bonafide")
    spoof = joined.filter(pl.col("label") == "spoof")
    compared = {}
    for generator in sorted(spoof["attack"].unique()):
        own = spoof.filter(pl.col("attack") == generator)
        compared[generator] = _matching(bonafide, own, match, name), own
    if match is None:
        compared[POOLED] = bonafide, spoof
    metrics = {"eer": ALL_METRICS["eer"]}
    if threshold is not None:
        metrics |= _at_threshold(threshold)
    table_rows: list[dict[str, Any]] = []
    measured = {}
    for generator, (real, fake) in compared.items():
        measured[generator] = _measured(real, fake, metrics, draws)
        table_rows.append(
            {
                "generator": generator,
                "n_generators": fake["attack"].n_unique(),
                "n_bonafide": real.height,
                "n_spoof": fake.height,
                **_columns(measured[generator]),
            }
        )
    return Cells(pl.DataFrame(table_rows, schema=SCHEMA), measured)


def _measured(
    bonafide: pl.DataFrame, spoof: pl.DataFrame, metrics: Mapping[str, Metric], draws: Draws | None
) -> dict[str, Measured]:
    units = None
    if draws is not None:
        units = draws.units[bonafide[_ROW].to_numpy()], draws.units[spoof[_ROW].to_numpy()]
    return measure(bonafide["score"].to_numpy(), spoof["score"].to_numpy(), metrics, units, draws)


def _at_threshold(threshold: float) -> dict[str, Metric]:
    def eer_hard(resampled: Resampled) -> Floats:
        errors = resampled.bonafide_rejected(threshold), resampled.spoof_accepted(threshold)
        hard: Floats = np.maximum(*errors) / (1 + np.abs(errors[0] - errors[1]))
        return hard

    def balanced(resampled: Resampled) -> Floats:
        errors = resampled.bonafide_rejected(threshold) + resampled.spoof_accepted(threshold)
        return 1 - errors / 2

    return {
        "eer_hard": Metric(
            "hard EER",
            lambda bonafide, spoof: decisions.eer_hard(bonafide, spoof, threshold),
            eer_hard,
            "rarer",
        ),
        "accuracy": threshold_metrics(threshold)["accuracy"],
        "balanced_accuracy": Metric(
            "balanced accuracy",
            lambda bonafide, spoof: decisions.balanced_accuracy(bonafide, spoof, threshold),
            balanced,
            "rarer",
        ),
    }


def _columns(measured: Mapping[str, Measured]) -> dict[str, float | None]:
    row: dict[str, float | None] = {}
    for name, estimate in measured.items():
        low, high = estimate.interval or (None, None)
        row |= {name: estimate.value, f"{name}_low": low, f"{name}_high": high}
    return row


def _matching(
    bonafide: pl.DataFrame, spoof: pl.DataFrame, match: str | None, name: str
) -> pl.DataFrame:
    """The bona fide trials that a generator's spoofs are compared with."""
    if match is None:
        return bonafide
    for value in sorted(spoof[match].unique()):
        if value not in bonafide[match]:
            raise TableError(
                f"{name}: there is no bona fide trial of {match} {value!r}, which "
                f"{spoof['attack'][0]!r} has; add real speech of it, or leave that generator out"
            )
    return bonafide.filter(pl.col(match).is_in(spoof[match].unique().to_list()))


def relation(
    generator: str,
    trained_on: Collection[str] | None,
    selected_on: Collection[str] = (),
    left_out: Collection[str] = (),
) -> str:
    """The relation of a generator of the test corpus to a detector's data.

    Args:
        generator: its name.
        trained_on: generators in the detector's training data; None if they are not known.
        selected_on: generators in the development data of the detector.
        left_out: generators that the study keeps from its training.
    """
    if trained_on is None:
        return UNKNOWN
    if generator in trained_on:
        return TRAINED
    if generator in selected_on:
        return DEV_ONLY
    return LEFT_OUT if generator in left_out else UNSEEN


def averages(table: pl.DataFrame, measured: Mapping[str, Mapping[str, Measured]]) -> pl.DataFrame:
    """Means over generators, each of the same weight (aEER of the EERs).

    Args:
        table: rows of :func:`cells` with a column `relation`, of one detector, seed and set.
        measured: of the same :func:`cells`.

    Returns:
        Two rows in the columns of `table`: over the unseen generators (those left out included) and
        over all. Their metrics are null where there are no such generators; both numbers of trials
        always are, and `relation` is "-".
    """
    single = table.filter(pl.col("generator") != POOLED)
    unseen = single.filter(pl.col("relation").is_in([UNSEEN, LEFT_OUT]))
    rows: list[dict[str, Any]] = []
    for name, generators in ((MEAN_OF_UNSEEN, unseen), (MEAN_OF_ALL, single)):
        parts = [measured[generator] for generator in generators["generator"]]
        means = {
            metric: mean_of([part[metric] for part in parts])
            for metric in METRICS
            if parts and metric in parts[0]
        }
        rows.append(
            {
                "generator": name,
                "n_generators": generators.height,
                "n_bonafide": None,
                "n_spoof": None,
                **_columns(means),
                "relation": "-",
            }
        )
    return pl.DataFrame(rows, schema={**SCHEMA, "relation": pl.String()})


def over_trainings(table: pl.DataFrame) -> pl.DataFrame:
    """Summary over the training seeds of a detector.

    Args:
        table: rows of :func:`cells` and :func:`averages` with a column `seed` and any columns that
            tell detectors and sets apart.

    Returns:
        The table without `seed` and with `n_seeds`; of each metric its mean, its standard deviation
        over seeds (`{metric}_population_sd`: divided by the number of seeds, as the published
        tables have it; null for a single seed), its lowest and its highest value, and the 95 %
        interval of the first seed (`{metric}_low`, `{metric}_high`). The interval is the
        uncertainty for one trained detector, the standard deviation the spread of trainings.
    """
    ends = [name + end for name in METRICS for end in ("_low", "_high")]
    keys = [name for name in table.columns if name not in ("seed", *METRICS, *ends)]
    spread = pl.col("seed").n_unique() > 1
    return table.group_by(keys, maintain_order=True).agg(
        pl.col("seed").n_unique().cast(pl.Int64).alias("n_seeds"),
        *(
            column
            for metric in METRICS
            for column in (
                pl.col(metric).mean(),
                pl.when(spread).then(pl.col(metric).std(ddof=0)).alias(f"{metric}_population_sd"),
                pl.col(metric).min().alias(f"{metric}_min"),
                pl.col(metric).max().alias(f"{metric}_max"),
                pl.col(f"{metric}_low").first(),
                pl.col(f"{metric}_high").first(),
            )
        ),
    )
