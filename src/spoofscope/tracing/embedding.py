"""Read-out vectors and logits of the clips of a split, resumed where a job was killed."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from spoofscope.errors import TableError
from spoofscope.files import sha256_file
from spoofscope.inputs import FeatureSource, Inputs, check_features, detector_inputs
from spoofscope.ood.base import Outputs
from spoofscope.settings import NETWORK_FILE
from spoofscope.shards.journal import Done, resumed
from spoofscope.tracer import Tracer
from spoofscope.tracing.outputs import write_outputs

_LOGGER = logging.getLogger(__name__)


def embed_rows(
    network_folder: str | Path,
    rows: pl.DataFrame,
    out_path: str | Path,
    work_dir: str | Path,
    *,
    features: FeatureSource | None = None,
    batch_size: int = 8,
    device: str = "cpu",
    code: str = "",
) -> None:
    """Write what a tracer's network gives for the rows of a manifest, in their order.

    Vectors and logits of a clip are the means over its windows.

    Args:
        network_folder: see `Tracer.load`.
        rows: a manifest, or a part of one.
        out_path: see `tracing.outputs`.
        work_dir: for the journal of finished utterances, which is deleted at the end.
        features: cached features of the rows, or None to read audio.
        batch_size: utterances, and at most so many windows at once.
        device: "cpu" or "cuda".
        code: digest of the code; a journal that other code began is discarded.

    Raises:
        DetectorError: the network cannot be loaded, does not fit the features, or gives a value
            that is not finite.
        AudioError: a file cannot be read; finished utterances stay in the journal.
        TableError: there are no rows.
    """
    if rows.is_empty():
        raise TableError(f"{out_path}: there are no utterances")
    folder = Path(network_folder)
    tracer = Tracer.load(folder, device)
    if features is not None:
        check_features(features, tracer.frontend, tracer.policy)
    given = {
        "network": sha256_file(folder / NETWORK_FILE),
        "rows": rows.rows(),
        "batch_size": batch_size,
        "device": device,
        "features": features is not None,
        "code": code,
    }
    with resumed(work_dir, given) as done:
        _embed(tracer, rows, features, batch_size, done)
        ids = rows["utt_id"].to_list()
        values = np.stack([np.asarray(done[utt_id], dtype=np.float32) for utt_id in ids])
        write_outputs(out_path, ids, Outputs(*tracer.split(values)))


def _embed(
    tracer: Tracer,
    rows: pl.DataFrame,
    features: FeatureSource | None,
    batch_size: int,
    done: Done,
) -> None:
    """Work out the utterances that are not done, in groups of `batch_size`."""
    groups: list[Any] = [rows.slice(i, batch_size) for i in range(0, rows.height, batch_size)]
    groups = [g for g in groups if not all(utt_id in done for utt_id in g["utt_id"])]
    if not groups:
        return
    inputs = iter(detector_inputs(pl.concat(groups), tracer.policy, features))
    for number, group in enumerate(groups, start=1):
        batch: list[Inputs] = [next(inputs) for _ in range(group.height)]
        outputs = tracer.logits(
            [window for _, windows in batch for window in windows],
            batch_size,
            [utt_id for utt_id, windows in batch for _ in windows],
        )
        start = 0
        for utt_id, windows in batch:
            stop = start + len(windows)
            done[utt_id] = outputs[start:stop].mean(axis=0, dtype=np.float64).astype(np.float32)
            start = stop
        if number % 100 == 0:
            _LOGGER.info("%d of %d batches done", number, len(groups))
