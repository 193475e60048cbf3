"""Whether silences, phones and words of spoofs are those of bona fide speech."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from spoofscope.alignment.base import read_clips
from spoofscope.artefacts.correlations import separation
from spoofscope.exhibits import Table
from spoofscope.names import NONE, POOLED
from spoofscope.tables import read_manifest, read_segments, write_table

TABLE = Table(
    title="Silences and words of either class",
    shows="How long silences, phones and words of spoofs are, against those of bona fide speech.",
    caption=(
        "One row per aligner, aligned set, measure and attack (pooled: all spoofs): the means over "
        "bona fide clips and over spoofs, and the AUC with its 95 % interval: the probability that "
        "the measure is larger in a bona fide clip than in a spoof. An AUC far from 0.5 is a cue "
        "that a detector may have learned instead of speech. silence_share is the share of the "
        "clip; leading, pauses and trailing are seconds of silence before, within and after "
        "speech; a rate counts segments per second, and a length is the median of a clip, in s. "
        "Clips that were not aligned are n_undefined. p_holm is corrected for all rows of a set."
    ),
    needs="aligned_sets",
    place=62,
)

_SILENCES = ("leading", "pause", "trailing")
_LABELLED = ("phone", "character", "word")


def make(
    aligned: Sequence[Mapping[str, Any]],
    resamples: int,
    cluster: str | None,
    bootstrap_seed: int,
    outputs: Mapping[str, str],
) -> None:
    """Write the table, see :func:`alignment_table`."""
    table = alignment_table(
        aligned, resamples=resamples, cluster=cluster, bootstrap_seed=bootstrap_seed
    )
    write_table(outputs["table"], table)


def alignment_table(
    aligned: Sequence[Mapping[str, Any]],
    *,
    resamples: int,
    cluster: str | None,
    bootstrap_seed: int,
) -> pl.DataFrame:
    """Means of both classes, and how well each measure alone separates them.

    Args:
        aligned: aligner, corpus, split, and the paths `segments`, `clips` and `manifest` of each.
        resamples, cluster, bootstrap_seed: as of `artefacts.correlations.separation`.

    Returns:
        aligner, corpus, split, mean_bonafide and mean_spoof, attack (or `pooled`), and the columns
        of `separation` without its condition, level and EER.
    """
    tables = []
    for entry in aligned:
        manifest = read_manifest(entry["manifest"]).filter(split=entry["split"])
        measures = clip_measures(
            manifest, read_segments(entry["segments"]), read_clips(entry["clips"])
        )
        table = separation(
            measures, manifest, resamples=resamples, seed=bootstrap_seed, cluster=cluster
        )
        means = _means(measures, manifest)
        where = [pl.lit(entry[key]).alias(key) for key in ("aligner", "corpus", "split")]
        tables.append(
            table.rename({"level": "attack"})
            # Of all attacks together, the level is none.
            .with_columns(attack=pl.when(condition=POOLED).then(pl.lit(POOLED)).otherwise("attack"))
            .drop("condition", "eer", "eer_low", "eer_high", "eer_published")
            .join(means, on=["measure", "attack"], how="left", maintain_order="left")
            .select(*where, "measure", "attack", "mean_bonafide", "mean_spoof", pl.exclude(_MOVED))
        )
    return pl.concat(tables)


_MOVED = ("measure", "attack", "mean_bonafide", "mean_spoof")


def clip_measures(
    manifest: pl.DataFrame, segments: pl.DataFrame, clips: pl.DataFrame
) -> pl.DataFrame:
    """What the tiers of each clip add up to.

    Args:
        manifest: of the split; utt_id and duration.
        segments: see `tables.read_segments`.
        clips: see `alignment.base.read_clips`.

    Returns:
        utt_id, and the measures of those tiers that some clip has; null where a clip has not been
        aligned: silence_share (in [0, 1]), leading, pauses and trailing (s); of each tier of labels
        its rate (per second) and length (median, s).
    """
    table = manifest.select("utt_id", "duration").join(
        clips.select("utt_id", "problem"), on="utt_id", how="left", maintain_order="left"
    )
    length = pl.col("end") - pl.col("start")
    names = []
    silent = segments.filter(tier="silence")
    if silent.height:
        sums = silent.group_by("utt_id").agg(
            length.filter(pl.col("label") == label).sum().alias(label) for label in _SILENCES
        )
        # A clip whose problem is that its labels are missing has its silences all the same.
        known = (pl.col("problem") == NONE) | pl.col("leading").is_not_null()
        table = table.join(sums, on="utt_id", how="left", maintain_order="left").with_columns(
            pl.when(known).then(pl.col(label).fill_null(0.0)) for label in _SILENCES
        )
        total = pl.sum_horizontal(_SILENCES, ignore_nulls=False)
        table = table.with_columns((total / pl.col("duration")).alias("silence_share"))
        table = table.rename({"pause": "pauses"})
        names += ["silence_share", "leading", "pauses", "trailing"]
    for tier in _LABELLED:
        of_tier = segments.filter(tier=tier)
        if of_tier.height:
            counts = of_tier.group_by("utt_id").agg(
                pl.len().alias(f"{tier}_rate"), length.median().alias(f"{tier}_length")
            )
            table = table.join(counts, on="utt_id", how="left", maintain_order="left")
            rate = pl.col(f"{tier}_rate") / pl.col("duration")
            table = table.with_columns(rate.alias(f"{tier}_rate"))
            names += [f"{tier}_rate", f"{tier}_length"]
    return table.select("utt_id", *names)


def _means(measures: pl.DataFrame, manifest: pl.DataFrame) -> pl.DataFrame:
    """Means of every measure over bona fide clips, and over the spoofs of every attack."""
    labelled = manifest.select("utt_id", "attack").join(measures, on="utt_id")
    long = labelled.unpivot(index=["utt_id", "attack"], variable_name="measure", value_name="value")
    genuine = _group_means(long.filter(attack=NONE), ["measure"], "mean_bonafide")
    spoofed = long.filter(pl.col("attack") != NONE)
    every = pl.concat([spoofed.with_columns(pl.lit(POOLED).alias("attack")), spoofed])
    return _group_means(every, ["measure", "attack"], "mean_spoof").join(genuine, on="measure")


def _group_means(long: pl.DataFrame, by: list[str], name: str) -> pl.DataFrame:
    """Means of `value` per group. Those of Polars are rounded as its threads share the rows."""
    groups = long.group_by(by, maintain_order=True).agg("value")
    known = [values.drop_nulls().to_numpy() for values in groups["value"]]
    means = [float(np.mean(values)) if values.size else None for values in known]
    return groups.drop("value").with_columns(pl.Series(name, means, pl.Float64()))
