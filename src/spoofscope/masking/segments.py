"""Which segments masks may ask for."""

from pathlib import Path

import polars as pl

from spoofscope.masking.artefacts import TIER
from spoofscope.tables import read_segments


def segments_of(segments: str | Path, artefacts: str | Path) -> pl.DataFrame | None:
    """Phones, words and silences of one file, artefacts of another.

    Args:
        segments: a segments table; empty where no mask asks for any.
        artefacts: that of the corpus; empty where no mask asks where artefacts are.

    Raises:
        TableError: as `tables.read_segments`.
    """
    parts = []
    if segments:
        parts.append(read_segments(segments).filter(pl.col("tier") != TIER))
    if artefacts:
        parts.append(read_segments(artefacts).filter(pl.col("tier") == TIER))
    return pl.concat(parts, how="diagonal") if parts else None
