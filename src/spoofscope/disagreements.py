"""Clips that one system gets right and another one wrong: found, counted, drawn and exported."""

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from spoofscope import audio
from spoofscope.errors import SpoofscopeError
from spoofscope.files import atomic_folder, file_stem, sha256_file
from spoofscope.identity import rng_of
from spoofscope.metrics.flips import mcnemar_p
from spoofscope.metrics.limits import smallest_p
from spoofscope.metrics.tables import clusters_of, resampled_by
from spoofscope.selection.operating_points import eer
from spoofscope.settings import stored_threshold
from spoofscope.tables import LABELS, join_scores

logger = logging.getLogger(__name__)

ROLES = ("right", "wrong")
NO_AUDIO = "-"
_UNIT = "unit of the test"
_LISTED = (
    *("utt_id", "path", "label", "attack", "score_right", "score_wrong"),
    *("threshold_right", "threshold_wrong", "margin_right", "margin_wrong", "audio"),
    "sha256",
)


def judge(
    trials: pl.DataFrame, scores: Mapping[str, pl.DataFrame], thresholds: Mapping[str, float]
) -> pl.DataFrame:
    """Both systems' decisions about every trial, each by its own threshold.

    A trial is accepted as bona fide when its score is at or above the threshold.

    Args:
        trials: manifest rows.
        scores: utt_id and score, of the system that has to be `right` and of the one that has to be
            `wrong`. Rows are matched by utt_id.
        thresholds: of both, as in :data:`ROLES`; chosen on other trials.

    Returns:
        The trials, with score_, threshold_ and margin_ of `right` and `wrong`. A margin is how far
        the score is from the threshold, positive where the decision is right; in units of that
        system's score, so margins of two systems have no common scale. `correct_right` and
        `correct_wrong` are boolean.

    Raises:
        TableError: a trial has no score, or a score no trial.
    """
    judged = trials
    for role in ROLES:
        joined = join_scores(
            scores[role], trials, scores_name=f"the system {role!r}", trials_name="the manifest"
        )
        score, threshold = joined["score"], thresholds[role]
        bonafide = joined["label"] == "bonafide"
        distance = score - threshold
        judged = judged.with_columns(
            score.alias(f"score_{role}"),
            pl.lit(threshold, dtype=pl.Float64).alias(f"threshold_{role}"),
            pl.when(bonafide).then(distance).otherwise(-distance).alias(f"margin_{role}"),
            ((score >= threshold) == bonafide).alias(f"correct_{role}"),
        )
    return judged


def contingency(judged: pl.DataFrame, cluster: str | None = None) -> pl.DataFrame:
    """How often both, one or none of the systems is right.

    The p value is that of McNemar's exact test (1947), in which clips of one speaker count as one
    (see `metrics.flips`). It is at least 2^(1 - n), n the clips, or clusters, of the class that has
    fewer. Below two it is null.

    Args:
        judged: see :func:`judge`.
        cluster: column whose values count as one, see `metrics.tables.resampled_by`.

    Returns:
        A row for `bonafide`, `spoof` and `all`, without classes that have no trials: label, n,
        both_right, only_right (the system that has to be right is, the other is not), only_wrong
        (the other way round), both_wrong, mcnemar_p, n_clusters (of the class with fewer; null
        where each clip counts by itself), threshold_right, threshold_wrong.
    """
    column = resampled_by(judged, cluster)
    unit = judged["utt_id"] if column is None else clusters_of(judged, column)
    judged = judged.with_columns(unit.alias(_UNIT))
    rows = []
    right, wrong = pl.col("correct_right"), pl.col("correct_wrong")
    for label in (*LABELS, "all"):
        of_label = judged if label == "all" else judged.filter(pl.col("label") == label)
        if of_label.is_empty():
            continue
        counts = of_label.select(
            both_right=(right & wrong).sum(),
            only_right=(right & ~wrong).sum(),
            only_wrong=(~right & wrong).sum(),
            both_wrong=(~right & ~wrong).sum(),
        ).row(0, named=True)
        units = min(of_label.group_by("label").agg(pl.col(_UNIT).n_unique())[_UNIT])
        floor = smallest_p(units)
        more = (right & ~wrong).cast(pl.Int64) - (~right & wrong).cast(pl.Int64)
        p = mcnemar_p(of_label.group_by(_UNIT).agg(more.sum().alias("more"))["more"].to_numpy())
        rows.append(
            {
                "label": label,
                "n": of_label.height,
                **counts,
                "mcnemar_p": None if floor is None else max(p, floor),
                "n_clusters": None if column is None else units,
                **{f"threshold_{role}": of_label[f"threshold_{role}"][0] for role in ROLES},
            }
        )
    return pl.DataFrame(
        rows, schema_overrides={"mcnemar_p": pl.Float64(), "n_clusters": pl.Int64()}
    )


def disagreements(judged: pl.DataFrame) -> pl.DataFrame:
    """The trials that `right` gets right and `wrong` wrong, by attack and utt_id."""
    chosen = pl.col("correct_right") & ~pl.col("correct_wrong")
    return judged.filter(chosen).sort("attack", "utt_id")


def drawn(listed: pl.DataFrame, clips: int, *seed_parts: int | str) -> list[str]:
    """Some of the clips, evenly over attacks and bona fide.

    Each of these groups gives one clip in turn, in random order, until there are enough; a group
    that has none left gives none.

    Args:
        listed: utt_id and attack.
        clips: how many; all where there are fewer.
        seed_parts: what the choice depends on; the order of the rows does not matter.

    Returns:
        utt_ids, by round.
    """
    groups = []
    for (attack,), group in listed.sort("attack", "utt_id").group_by("attack", maintain_order=True):
        rng = rng_of("disagreements of a system", *seed_parts, str(attack))
        groups.append([group["utt_id"][int(i)] for i in rng.permutation(group.height)])
    order = rng_of("order of the systems", *seed_parts).permutation(len(groups))
    rounds = range(max(map(len, groups), default=0))
    in_turn = [groups[i][k] for k in rounds for i in order if k < len(groups[i])]
    return in_turn[:clips]


def export(listed: pl.DataFrame, chosen: list[str], folder: Path, seconds: float) -> pl.DataFrame:
    """Write clips as WAV files (mono, 16 bits), at the rate of their files; the folder is replaced.

    Files are named by their place in `chosen`, attack and utt_id. Samples that decoding took beyond
    full scale make the whole clip quieter.

    Args:
        listed: see :func:`disagreements`.
        chosen: utt_ids to export, see :func:`drawn`.
        folder: of the WAV files; there is none where none is chosen.
        seconds: of each clip, from its start.

    Returns:
        `listed` with the columns of the table alone, `audio`: the exported file, or "-", and
        `sha256`: of its content, or "-". The exported ones come first, in their order.

    Raises:
        AudioError: a clip cannot be read.
    """
    names = {}
    hashes: dict[str, str] = {}
    paths = dict(listed.select("utt_id", "path").iter_rows())
    attacks = dict(listed.select("utt_id", "attack").iter_rows())
    with atomic_folder(folder) as temporary:
        for i, utt_id in enumerate(chosen, start=1):
            attack = "bonafide" if attacks[utt_id] == "-" else attacks[utt_id]
            # Some corpora use paths as ids.
            stem = re.sub(r"[^\w.-]", "_", f"{attack}-{utt_id}")
            names[utt_id] = f"{i:02}-{file_stem(stem)}.wav"
            samples, rate = _start(paths[utt_id], seconds)
            audio.write(temporary / names[utt_id], samples, rate)
            hashes[utt_id] = sha256_file(temporary / names[utt_id])
    if not names:
        os.rmdir(folder)
    place = {utt_id: i for i, utt_id in enumerate(chosen)}
    return (
        listed.with_columns(
            audio=pl.Series(
                [
                    str(folder / names[utt_id]) if utt_id in names else NO_AUDIO
                    for utt_id in listed["utt_id"]
                ],
                dtype=pl.String,
            ),
            sha256=pl.Series(
                [hashes.get(utt_id, NO_AUDIO) for utt_id in listed["utt_id"]], dtype=pl.String
            ),
            place=pl.Series(
                [place.get(utt_id, len(place)) for utt_id in listed["utt_id"]], dtype=pl.Int64
            ),
        )
        .sort("place", maintain_order=True)
        .select(_LISTED)
    )


def _start(path: str, seconds: float) -> tuple[audio.Samples, int]:
    samples, rate = audio.read_start(path, seconds)
    peak = float(np.max(np.abs(samples)))
    if peak > 1.0:
        logger.warning("%s reaches %.3f of full scale: exported quieter", path, peak)
        samples = samples / np.float32(peak)
    return samples, rate


def needed_threshold(path: str | Path) -> float:
    """The threshold at equal error rate on development data that a detector or a fusion keeps.

    Args:
        path: a detector's `detector.json`, or the file of a fusion.

    Raises:
        SpoofscopeError: it keeps none.
    """
    threshold = stored_threshold(path)
    if threshold is None:
        raise SpoofscopeError(
            f"{path} has no threshold, so what the system gets right is not known; name scored "
            "trials to choose one on, key `threshold` of the entry in `disagreements`"
        )
    return threshold


def threshold_at_eer(scores: pl.DataFrame, trials: pl.DataFrame, name: str) -> float:
    """The threshold at equal error rate of scored trials.

    Args:
        scores: utt_id and score.
        trials: manifest rows.
        name: of the scores, for messages.

    Raises:
        TableError: scores and trials are not of the same utterances.
        SpoofscopeError: a class has no trial.
    """
    joined = join_scores(scores, trials, scores_name=name, trials_name="the manifest")
    bonafide, spoof = (joined.filter(pl.col("label") == label)["score"] for label in LABELS)
    return eer(bonafide.to_numpy(), spoof.to_numpy()).threshold
