"""Error rates of a detector on every generator by itself, and their means.

A generator is a level of the manifest's column `system`: what made the spoofs.
"""

from collections.abc import Collection
from typing import Any

import polars as pl

from spoofscope.errors import TableError
from spoofscope.metrics import decisions, rates
from spoofscope.metrics.tables import POOLED
from spoofscope.options import nearest

METRICS = ("eer", "eer_hard", "accuracy", "balanced_accuracy")

# Rows that average over generators, in the column `generator`.
MEAN_OF_UNSEEN = "(mean of unseen)"
MEAN_OF_ALL = "(mean of all)"

# What a detector knew of a generator. Model selection and threshold have seen what is in dev alone;
# a generator that the study leaves out on purpose is as unseen as one it does not mention.
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
    **dict.fromkeys(METRICS, pl.Float64()),
}


def cells(
    joined: pl.DataFrame, threshold: float | None, match: str | None, name: str
) -> pl.DataFrame:
    """Error rates of each generator's spoofs against bona fide trials.

    Args:
        joined: label, system, score (higher = more bona fide) and the column `match`.
        threshold: chosen elsewhere, on development data; None leaves out what needs one.
        match: a column, such as `voice`: a generator's spoofs are compared with the bona fide
            trials that share one of its values there. Speech of another voice or channel differs
            from them in more than being real. None compares with all bona fide trials.
        name: of the trials, for messages.

    Returns:
        A row per generator, by name, and one of all spoofs ("pooled"), which matched trials have
        not: it would compare spoofs of one voice with bona fide trials of another. Columns
        :data:`SCHEMA`; eer is that of the scores, the others are at the threshold.

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
    found = []
    for generator in sorted(spoof["system"].unique()):
        own = spoof.filter(pl.col("system") == generator)
        found.append(_cell(generator, _matching(bonafide, own, match, name), own, threshold))
    if match is None:
        found.append(_cell(POOLED, bonafide, spoof, threshold))
    return pl.DataFrame(found, schema=SCHEMA)


def _matching(
    bonafide: pl.DataFrame, own: pl.DataFrame, match: str | None, name: str
) -> pl.DataFrame:
    """The bona fide trials that a generator's spoofs are compared with."""
    if match is None:
        return bonafide
    for value in sorted(own[match].unique()):
        if value not in bonafide[match]:
            raise TableError(
                f"{name}: there is no bona fide trial of {match} {value!r}, which "
                f"{own['system'][0]!r} has; add real speech of it, or leave that generator out"
            )
    return bonafide.filter(pl.col(match).is_in(own[match].unique().to_list()))


def _cell(
    generator: str, bonafide: pl.DataFrame, spoof: pl.DataFrame, threshold: float | None
) -> dict[str, Any]:
    scores = bonafide["score"].to_numpy(), spoof["score"].to_numpy()
    row: dict[str, Any] = {
        "generator": generator,
        "n_generators": spoof["system"].n_unique(),
        "n_bonafide": bonafide.height,
        "n_spoof": spoof.height,
        **dict.fromkeys(METRICS),
        "eer": rates.eer(*scores).value,
    }
    if threshold is not None:
        row["eer_hard"] = decisions.eer_hard(*scores, threshold)
        row["accuracy"] = rates.accuracy(*scores, threshold)
        row["balanced_accuracy"] = decisions.balanced_accuracy(*scores, threshold)
    return row


def relation(
    generator: str,
    trained_on: Collection[str] | None,
    selected_on: Collection[str] = (),
    left_out: Collection[str] = (),
) -> str:
    """What a detector knew of a generator of the corpus that it is tested on.

    Args:
        generator: its name.
        trained_on: generators in the detector's training; None where that is not known.
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


def averages(table: pl.DataFrame) -> pl.DataFrame:
    """Means over generators, each of the same weight (aEER of the EERs).

    Args:
        table: rows of :func:`cells` with a column `relation`, of one detector, seed and set.

    Returns:
        Two rows in the columns of `table`: over the unseen generators (those left out included) and
        over all. Their metrics are null where there are no such generators; both numbers of trials
        always are, and `relation` is "-".
    """
    single = table.filter(pl.col("generator") != POOLED)
    unseen = single.filter(pl.col("relation").is_in([UNSEEN, LEFT_OUT]))
    return pl.concat(
        rows.select(
            pl.lit(name).alias("generator"),
            pl.len().cast(pl.Int64).alias("n_generators"),
            pl.lit(None, pl.Int64).alias("n_bonafide"),
            pl.lit(None, pl.Int64).alias("n_spoof"),
            pl.col(METRICS).mean(),
            pl.lit("-").alias("relation"),
        )
        for name, rows in ((MEAN_OF_UNSEEN, unseen), (MEAN_OF_ALL, single))
    )


def over_trainings(table: pl.DataFrame) -> pl.DataFrame:
    """What several training seeds of a detector come to.

    Args:
        table: rows of :func:`cells` and :func:`averages` with a column `seed` and any columns that
            tell detectors and sets apart.

    Returns:
        The table without `seed` and with `n_seeds`; of each metric its mean, its standard deviation
        over seeds (`{metric}_population_sd`: divided by the number of seeds, as the published
        tables have it; null for a single seed), its lowest and its highest value.
    """
    keys = [name for name in table.columns if name not in ("seed", *METRICS)]
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
            )
        ),
    )
