"""Scoring: one score per utterance, in shards that resume where they were killed."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from spoofscope.detector import Detector
from spoofscope.errors import TableError
from spoofscope.files import sha256_file
from spoofscope.identity import hash8
from spoofscope.inputs import (
    FeatureSource,
    aggregate_windows,
    check_features,
    detector_inputs,
)
from spoofscope.tables import SCORE_COLUMNS, write_scores, write_table

_LOGGER = logging.getLogger(__name__)

_WINDOW_COLUMNS: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "window": pl.Int64(),
    "score": pl.Float64(),
}


class _Journal:
    """Scores of finished utterances, one JSON line each, appended as they come.

    The first line says which work this is; a journal of other work is discarded. A last line that
    was torn by a kill is cut off.
    """

    def __init__(self, path: Path, identity: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.done: dict[str, list[float]] = {}
        kept = self._read(identity)
        self._stream = open(path, "r+b" if kept else "wb")  # noqa: SIM115 (closed in finish)
        self._stream.truncate(kept)
        self._stream.seek(kept)
        if not kept:
            self._stream.write(json.dumps({"identity": identity}).encode() + b"\n")

    def _read(self, identity: str) -> int:
        """Fill `done`; the bytes that are worth keeping."""
        kept = 0
        if not self.path.exists():
            return 0
        with open(self.path, "rb") as stream:
            for line in stream:
                try:
                    entry = json.loads(line) if line.endswith(b"\n") else None
                except json.JSONDecodeError:
                    entry = None
                if not isinstance(entry, dict):
                    break
                if kept == 0 and entry != {"identity": identity}:
                    _LOGGER.warning("%s belongs to other scores: starting anew", self.path)
                    return 0
                if kept:
                    self.done[entry["utt_id"]] = entry["window_scores"]
                kept += len(line)
        return kept

    def add(self, utt_id: str, window_scores: list[float]) -> None:
        self.done[utt_id] = window_scores
        entry = {"utt_id": utt_id, "window_scores": window_scores}
        self._stream.write(json.dumps(entry).encode() + b"\n")

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()


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
        rows: a manifest, or a part of one (see `features.shard_rows`).
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
    identity = {
        "detector": sha256_file(folder / "detector.json"),
        # All columns: a copy made anew with other noise keeps its path, not its description.
        "rows": rows.rows(),
        "batch_size": batch_size,
        "device": device,
        "features": features is not None,
        "code": code,
    }
    journal = _Journal(Path(work_dir) / "scores.jsonl", hash8(identity))
    try:
        _score(detector, rows, features, batch_size, journal)
    finally:
        journal.close()
    ids = rows["utt_id"].to_list()
    if window_scores_path is not None:
        windows = [(utt_id, i, s) for utt_id in ids for i, s in enumerate(journal.done[utt_id])]
        write_table(window_scores_path, pl.DataFrame(windows, schema=_WINDOW_COLUMNS, orient="row"))
    scores = [aggregate_windows(journal.done[utt_id], detector.aggregation) for utt_id in ids]
    write_scores(out_tsv, pl.DataFrame({"utt_id": ids, "score": scores}, schema=SCORE_COLUMNS))
    journal.path.unlink()


def _score(
    detector: Detector,
    rows: pl.DataFrame,
    features: FeatureSource | None,
    batch_size: int,
    journal: _Journal,
) -> None:
    """Score the groups of `batch_size` utterances that the journal does not hold whole."""
    groups = [
        group
        for group in _groups(rows, batch_size)
        if not all(utt_id in journal.done for utt_id in group["utt_id"])
    ]
    if not groups:
        return
    left = pl.concat(groups)
    inputs = iter(detector_inputs(left, detector.policy, features))
    for number, group in enumerate(groups, start=1):
        batch = [next(inputs) for _ in range(group.height)]
        logits = detector.logits(
            [w for _, windows in batch for w in windows],
            batch_size,
            [utt_id for utt_id, windows in batch for _ in windows],
        )
        scores = detector.scores_of(logits).tolist()
        start = 0
        for utt_id, windows in batch:
            journal.add(utt_id, scores[start : start + len(windows)])
            start += len(windows)
        journal.flush()
        if number % 100 == 0:
            _LOGGER.info("%d of %d batches scored", number, len(groups))
