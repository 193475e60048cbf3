"""Mean attribution of classes, attacks, conditions and kinds of sound."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from spoofscope.attribution.groups import Evidence, by_sound, evidence_in, is_complete, mean_rows
from spoofscope.attribution.store import Attributions
from spoofscope.attribution.verdicts import of_controls, read_checks
from spoofscope.exhibits import Table
from spoofscope.identity import rng_of
from spoofscope.metrics.correlation import mean_interval
from spoofscope.metrics.tables import clusters_of_explained
from spoofscope.names import BONAFIDE, NONE, SPOOF
from spoofscope.selection.utterances import sampled
from spoofscope.tables import read_manifest, read_segments, read_table, write_table

TABLE = Table(
    title="Attribution by group",
    shows="Mean evidence in classes, attacks, conditions and kinds of sound, with intervals.",
    caption=(
        "One row per detector and group of explained clips (class, attack, level of a condition) "
        "or of frames (kind of sound of an aligner: silence, speech, classes of phones). "
        "contribution: what the frames of a clip add to the score, for spoof (negative values "
        "speak for bona fide), in units of the score; the mean over n clips with its 95 % "
        "interval, over speakers where they are known. For kinds of sound, time_share is their "
        "share of the frames, magnitude_share their share of the magnitude of the evidence, and "
        "density the mean of magnitude_share / time_share: 1 where evidence is spread evenly over "
        "time. Contributions of whole clips add up to baseline_score less the score, so their sign "
        "is relative to the baseline: compare groups. controls: whether the explanations of the "
        "detector pass their controls (table faithfulness); incomplete: how many of them miss the "
        "difference of the scores by more than the tolerance, and are in the means all the same. "
        "Only the random sample of clips counts, as many of each attack. The table .rows has the "
        "contribution of each layer, cepstrum or band."
    ),
    needs="grouped_explanations",
    place=67,
    more=("rows",),
)

_SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(("name", "corpus", "split", "kind", "group", "label"), pl.String()),
    "seed": pl.Int64(),
    **dict.fromkeys(("n", "clusters"), pl.Int64()),
    **dict.fromkeys(("contribution", "ci_low", "ci_high"), pl.Float64()),
    **dict.fromkeys(("time_share", "magnitude_share"), pl.Float64()),
    **dict.fromkeys(("density", "density_ci_low", "density_ci_high"), pl.Float64()),
    "baseline_score": pl.Float64(),
    "controls": pl.String(),
    "incomplete": pl.Int64(),
}
_CHOSEN: dict[str, pl.DataType] = {"utt_id": pl.String(), "chosen_by": pl.String()}
_BASELINE: dict[str, pl.DataType] = {"baseline_score": pl.Float64()}
_ROWS_SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(("name", "corpus", "split", "kind", "group", "label"), pl.String()),
    "seed": pl.Int64(),
    "axis": pl.String(),
    "row": pl.Int64(),
    **dict.fromkeys(("low_hz", "high_hz", "contribution"), pl.Float64()),
    "n": pl.Int64(),
}

CLASS, ATTACK, SOUND = "class", "attack", "sound"
"""Kinds of groups; the others are conditions of the study."""


class Group(NamedTuple):
    """Clips or frames of clips. label: the class of the clips."""

    kind: str
    name: str
    label: str
    evidence: dict[str, Evidence]


def make(
    explained: Sequence[Mapping[str, Any]],
    manifest: str,
    alignment: str | Sequence[str],
    conditions: Sequence[str],
    outputs: Mapping[str, str],
    *,
    resamples: int,
    bootstrap_seed: int,
    cluster: str | None,
) -> None:
    """Write both tables.

    Args:
        explained: of every detector: name, seed, corpus, split, and its files `attributions`,
            `summary` and `checks`.
        manifest: of the explained corpus.
        alignment: segments of the explained split by an aligner; empty where none has aligned it.
        conditions: of the study; what the manifest has not as columns is left out.
        outputs: `table` and `rows`.
        resamples, bootstrap_seed, cluster: as in `attribution.checks.check_means`.
    """
    rows = read_manifest(manifest)
    segments = read_segments(str(alignment)) if alignment else None
    means: list[dict[str, Any]] = []
    by_row: list[dict[str, Any]] = []
    for entry in explained:
        of = {key: entry[key] for key in ("name", "seed", "corpus", "split")}
        attributions = Attributions(entry["attributions"])
        settings = attributions.settings
        chosen = sampled(read_table(entry["summary"], _CHOSEN, _BASELINE))
        clips = rows.filter(pl.col("utt_id").is_in(chosen["utt_id"].implode()))
        of_all = {
            "baseline_score": chosen["baseline_score"].mean(),
            "controls": of_controls(read_checks(entry["checks"])),
            "incomplete": sum(
                not is_complete(attributions[utt_id]) for utt_id in chosen["utt_id"].to_list()
            ),
        }
        drawn = clusters_of_explained(clips, rows, cluster, resamples)
        clusters = None if drawn is None else dict(zip(clips["utt_id"], drawn, strict=True))
        for group in groups_of(attributions, clips, segments, conditions):
            named = {**of, "kind": group.kind, "group": group.name, "label": group.label}
            of_group = _means(group, clusters, resamples, bootstrap_seed)
            means.append({**named, **of_group, **of_all})
            edges = settings.band_edges
            for row, value in enumerate(mean_rows(list(group.evidence.values()))):
                limits = {"low_hz": edges[row], "high_hz": edges[row + 1]} if edges else {}
                by_row.append(
                    {
                        **named,
                        "axis": settings.row_axis,
                        "row": row,
                        **limits,
                        "contribution": float(value),
                        "n": len(group.evidence),
                    }
                )
    write_table(outputs["table"], pl.DataFrame(means, schema=_SCHEMA))
    write_table(outputs["rows"], pl.DataFrame(by_row, schema=_ROWS_SCHEMA))


def groups_of(
    attributions: Attributions,
    clips: pl.DataFrame,
    segments: pl.DataFrame | None,
    conditions: Sequence[str],
) -> Iterator[Group]:
    """Groups of clips: classes, attacks and levels of conditions; then of frames: kinds of sound.

    Args:
        attributions: explanations.
        clips: manifest rows of the clips that count.
        segments: of an aligner.
        conditions: columns, or several joined with "+". A level that does not apply ("-") is none.
    """
    explanations = {name: attributions[name] for name in clips["utt_id"]}
    whole: dict[str, Evidence] = {}
    for name, explanation in explanations.items():
        evidence = evidence_in(explanation, explanation.seen)
        assert evidence is not None, "every explanation has a frame"
        whole[name] = evidence
    for label in (BONAFIDE, SPOOF):
        yield from _group(CLASS, label, clips.filter(label=label), label, whole)
    for attack in clips.filter(label=SPOOF)["attack"].unique().sort():
        yield from _group(ATTACK, attack, clips.filter(label=SPOOF, attack=attack), SPOOF, whole)
    for condition in conditions:
        columns = condition.split("+")
        if condition == ATTACK or not set(columns) <= set(clips.columns):
            continue
        levels = clips.with_columns(
            pl.concat_str([pl.col(c).cast(pl.String) for c in columns], separator="+").alias(
                "level"
            )
        )
        for level in levels["level"].unique().sort():
            if NONE in level.split("+"):
                continue
            for label in (BONAFIDE, SPOOF):
                of_level = levels.filter(level=level, label=label)
                yield from _group(condition, level, of_level, label, whole)
    if segments is None:
        return
    seconds: dict[str, float] = dict(clips.select("utt_id", "duration").rows())
    for sound, of_clips in by_sound(explanations.values(), segments, seconds).items():
        for label in (BONAFIDE, SPOOF):
            yield from _group(SOUND, sound, clips.filter(label=label), label, of_clips)


def _group(
    kind: str, name: str, clips: pl.DataFrame, label: str, evidence: Mapping[str, Evidence]
) -> Iterator[Group]:
    """A group of the clips that have evidence; none of no clips."""
    of_clips = {utt_id: evidence[utt_id] for utt_id in clips["utt_id"] if utt_id in evidence}
    if of_clips:
        yield Group(kind, name, label, of_clips)


def _means(
    group: Group, clusters: Mapping[str, Any] | None, resamples: int, seed: int
) -> dict[str, Any]:
    """The means of a group and their intervals."""
    units = None if clusters is None else [clusters[utt_id] for utt_id in group.evidence]
    evidence = list(group.evidence.values())
    row: dict[str, Any] = {
        "n": len(evidence),
        "clusters": None if units is None else len(set(units)),
    }
    values = {"contribution": ("ci_", [e.contribution for e in evidence])}
    if group.kind == SOUND:
        # A clip without any evidence has no shares of it.
        if all(np.isfinite(e.magnitude_share) for e in evidence):
            values["density"] = ("density_ci_", [e.density for e in evidence])
            row["magnitude_share"] = float(np.mean([e.magnitude_share for e in evidence]))
        row["time_share"] = float(np.mean([e.time_share for e in evidence]))
    for name, (prefix, sample) in values.items():
        row[name] = float(np.mean(sample))
        rng = rng_of("attribution by group", seed, group.kind, group.name, group.label, name)
        interval = mean_interval(sample, resamples, rng, units)
        if interval is not None:
            row |= {f"{prefix}low": interval.low, f"{prefix}high": interval.high}
    return row
