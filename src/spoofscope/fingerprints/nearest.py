"""The nearest source of a clip, by the fingerprints of a detector with that back-end."""

from collections.abc import Iterator
from typing import Any

import polars as pl
import torch

from spoofscope.backends.fingerprint import Fingerprint
from spoofscope.detector import Detector
from spoofscope.errors import DetectorError
from spoofscope.inputs import detector_inputs
from spoofscope.names import BONAFIDE

CONFUSION_COLUMNS: dict[str, pl.DataType] = {
    "source": pl.String(),
    "nearest": pl.String(),
    "n": pl.Int64(),
    "share": pl.Float64(),
    "known": pl.String(),
    "balanced_accuracy": pl.Float64(),
}


def nearest_sources(detector: Detector, rows: pl.DataFrame) -> pl.DataFrame:
    """The nearest fingerprint of every clip.

    Args:
        detector: with the back-end `fingerprint`.
        rows: of a manifest.

    Returns:
        utt_id, source (bonafide or the attack), nearest, and for every fingerprint a column with
        the clip's log-likelihood per band, mean over windows.

    Raises:
        DetectorError: the detector has another back-end, or is not fitted.
        AudioError: a file cannot be read.
    """
    backend = detector.backend
    if not isinstance(backend, Fingerprint):
        raise DetectorError(f"back-end {backend.name} has no fingerprints")
    return pl.DataFrame(list(_clips(detector, backend, rows)))


def _clips(
    detector: Detector, backend: Fingerprint, rows: pl.DataFrame
) -> Iterator[dict[str, Any]]:
    attacks = dict(rows.select("utt_id", "attack").iter_rows())
    for utt_id, windows in detector_inputs(rows, detector.policy, None):
        found = []
        with torch.inference_mode():
            for window in windows:
                waveform = torch.from_numpy(window[None]).to(detector.device)
                size = torch.tensor([window.size], device=detector.device)
                found.append(backend.similarities(*detector.frontend(waveform, size))[0])
        mean = torch.stack(found).mean(dim=0).tolist()
        attack = attacks[utt_id]
        yield {
            "utt_id": utt_id,
            "source": BONAFIDE if attack == "-" else attack,
            "nearest": backend.sources[mean.index(max(mean))],
            **dict(zip(backend.sources, mean, strict=True)),
        }


def confusion(nearest: pl.DataFrame) -> pl.DataFrame:
    """Confusion of sources: number of clips of every source by their nearest fingerprint.

    Args:
        nearest: as :func:`nearest_sources` gives it.

    Returns:
        source, nearest, n, share (of the source's clips), known (whether there is a fingerprint of
        the source: "yes" or "no"), sorted; and in every row balanced_accuracy: the mean over known
        sources of the share of correct clips, null if no source is known. Clips of sources without
        a fingerprint cannot be correct, and count in no accuracy.
    """
    known = set(nearest.columns[3:])
    counts = nearest.group_by("source", "nearest").len("n").sort("source", "nearest")
    table = counts.with_columns(
        n=pl.col("n").cast(pl.Int64),
        share=pl.col("n") / pl.col("n").sum().over("source"),
        known=pl.when(pl.col("source").is_in(list(known)))
        .then(pl.lit("yes"))
        .otherwise(pl.lit("no")),
    )
    rights = table.filter(pl.col("source") == pl.col("nearest"))["share"].sum()
    sources = table.filter(pl.col("known") == "yes")["source"].n_unique()
    accuracy = float(rights) / sources if sources else None
    return table.with_columns(balanced_accuracy=pl.lit(accuracy, dtype=pl.Float64)).select(
        *CONFUSION_COLUMNS
    )
