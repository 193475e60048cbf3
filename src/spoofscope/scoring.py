"""Scoring: one score per utterance, in shards that resume where they were killed."""

import logging
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from spoofscope.detector import Detector
from spoofscope.errors import TableError
from spoofscope.files import sha256_file
from spoofscope.inputs import (
    FeatureSource,
    aggregate_windows,
    check_features,
    detector_inputs,
)
from spoofscope.judging import logits_of_clips
from spoofscope.shards.journal import Done, resumed
from spoofscope.tables import SCORE_COLUMNS, write_scores, write_table

_LOGGER = logging.getLogger(__name__)

_WINDOW_COLUMNS: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "window": pl.Int64(),
    "score": pl.Float64(),
}


def _groups(rows: pl.DataFrame, size: int) -> Iterator[pl.DataFrame]:
    for start in range(0, rows.height, size):
        yield rows.slice(start, size)


def score_shard(
    detector_folder: str | Path,
    rows: pl.DataFrame,
    out_tsv: str | Path,
    work_dir: str | Path,
    *,
    features: FeatureSource | None = None,
    batch_size: int = 8,
    device: str = "cpu",
    window_scores_path: str | Path | None = None,
    code: str = "",
) -> None:
    """Score the rows of a manifest and write utt_id and score in their order.

    An utterance's score is that of its windows, aggregated. `batch_size`
    utterances are worked on together, always the same ones, so that an interrupted job gives the
    same bytes as an undisturbed one; with `batch_size` 1 the score depends on the utterance alone,
    bit for bit, however the manifest is cut into shards.

    Args:
        detector_folder: see `Detector.load`.
        rows: a manifest, or a part of one (see `shards.parts.shard_rows`).
        out_tsv: the scores.
        work_dir: for the journal of finished utterances, which is deleted at the end.
        features: cached features of the rows, or None to read audio.
        batch_size: utterances, and at most so many windows at once, all of one length.
        device: "cpu" or "cuda".
        window_scores_path: also write the scores of single windows: utt_id, window (0, 1, ...),
            score.
        code: digest of the code that scores; a journal that other code began is discarded.

    Raises:
        DetectorError: the detector cannot be loaded, does not fit the features, or gives a logit
            that is not finite.
        AudioError: a file cannot be read; finished utterances stay in the journal.
        TableError: there are no rows.
    """
    if rows.is_empty():
        raise TableError(f"{out_tsv}: there are no utterances to score")
    folder = Path(detector_folder)
    detector = Detector.load(folder, device)
    if features is not None:
        check_features(features, detector.frontend, detector.policy)
    given = {
        "detector": sha256_file(folder / "detector.json"),
        # All columns: a copy made anew with other noise keeps its path, not its description.
        "rows": rows.rows(),
        "batch_size": batch_size,
        "device": device,
        "features": features is not None,
        "code": code,
    }
    with resumed(work_dir, given) as done:
        _score(detector, rows, features, batch_size, done)
        ids = rows["utt_id"].to_list()
        windows = {utt_id: done[utt_id] for utt_id in ids}
        if window_scores_path is not None:
            table = [(utt_id, i, s) for utt_id in ids for i, s in enumerate(windows[utt_id])]
            write_table(
                window_scores_path, pl.DataFrame(table, schema=_WINDOW_COLUMNS, orient="row")
            )
        scores = [aggregate_windows(windows[utt_id], detector.aggregation) for utt_id in ids]
        write_scores(out_tsv, pl.DataFrame({"utt_id": ids, "score": scores}, schema=SCORE_COLUMNS))


def _score(
    detector: Detector,
    rows: pl.DataFrame,
    features: FeatureSource | None,
    batch_size: int,
    done: Done,
) -> None:
    """Score the groups of `batch_size` utterances that are not done as wholes."""
    groups = [
        group
        for group in _groups(rows, batch_size)
        if not all(utt_id in done for utt_id in group["utt_id"])
    ]
    if not groups:
        return
    left = pl.concat(groups)
    inputs = detector_inputs(left, detector.policy, features)
    clips = logits_of_clips(detector, inputs, batch_size)
    for number, (utt_id, logits) in enumerate(clips, start=1):
        done[utt_id] = detector.scores_of(logits).tolist()
        if number % 1000 == 0:
            _LOGGER.info("%d of %d utterances scored", number, left.height)
