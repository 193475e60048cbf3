"""The report's part on fingerprints: sounds, agreement of halves, nearest sources."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.report.audio_player import MOST_PLAYERS, Clip, audio_players
from spoofscope.tables import read_table

SECONDS = 1.0
"""Length of each sound; a sound repeats after the length of the clips behind it."""

_SOUNDS: dict[str, pl.DataType] = {
    **dict.fromkeys(("source", "sound", "path"), pl.String()),
    "n_clips": pl.Int64(),
}
_RATES = ("pearson", "pearson_low", "pearson_high")
_STABILITY: dict[str, pl.DataType] = {
    **dict.fromkeys(("structure", "generator", "other"), pl.String()),
    **dict.fromkeys(_RATES, pl.Float64()),
    "halves": pl.Int64(),
}
_CONFUSION: dict[str, pl.DataType] = {
    **dict.fromkeys(("source", "nearest", "known"), pl.String()),
    "n": pl.Int64(),
    "share": pl.Float64(),
}


def fingerprint_section(
    parts: Mapping[str, str], nearest: Sequence[Mapping[str, str]]
) -> dict[str, Any] | None:
    """The section of the page; None if a study has neither fingerprints nor a detector of them.

    Args:
        parts: `sounds.tsv` and `stability.tsv`, by these names; empty without the section.
        nearest: detector, corpus, split and table (of confusions) of every test of a
            detector with the back-end `fingerprint`.

    Raises:
        TableError: a table is damaged. AudioError: a sound is missing; delete its table.
    """
    if not parts and not nearest:
        return None
    section: dict[str, Any] = {"nearest": [_confusion(entry) for entry in nearest]}
    if parts:
        sounds = read_table(parts["sounds.tsv"], _SOUNDS)
        played = _played(sounds)
        clips = [Clip(row["path"], _caption(row)) for row in played.iter_rows(named=True)]
        agreement = _agreement(parts["stability.tsv"])
        floors = [row["whole"]["p_smallest"] for row in agreement]
        section |= {
            "players": audio_players(clips, SECONDS),
            "left_out": sounds.height - played.height,
            "agreement": agreement,
            # Lower bound of every p, over all generators.
            "p_smallest": min((floor for floor in floors if floor is not None), default=None),
        }
    return section


def _played(sounds: pl.DataFrame) -> pl.DataFrame:
    """All sounds, or as many as a page can hold: differences first, because they show more."""
    if sounds.height <= MOST_PLAYERS:
        return sounds
    real = (pl.col("source") == "bonafide") & (pl.col("sound") == "mean")
    wanted = real | (pl.col("sound") == "difference")
    return sounds.filter(wanted).head(MOST_PLAYERS)


def _caption(row: Mapping[str, Any]) -> str:
    source = "bona fide" if row["source"] == "bonafide" else row["source"]
    if row["sound"] == "mean":
        return f"{source}: mean spectrum of {row['n_clips']} clips"
    if row["sound"] == "packets":
        return f"{source}: mean packet magnitudes of {row['n_clips']} clips"
    return f"{source}: difference from bona fide"


def _agreement(path: str) -> list[dict[str, Any]]:
    """Correlations of halves by structure: first a row for chance, then a row per generator."""
    optional = dict.fromkeys(("p", "p_holm", "p_smallest", "own_closest"), pl.Float64())
    table = read_table(path, _STABILITY, optional)
    table = table.filter(pl.col("generator") == pl.col("other"))
    return [
        {
            "generator": name,
            **{row["structure"]: row for row in rows.iter_rows(named=True)},
        }
        for (name,), rows in table.group_by("generator", maintain_order=True)
    ]


def _confusion(entry: Mapping[str, str]) -> dict[str, Any]:
    """Per source the share of clips with the right nearest fingerprint, and the commonest one."""
    table = read_table(entry["table"], _CONFUSION)
    accuracy = table["balanced_accuracy"][0]
    rows = []
    for (source,), of_source in table.group_by("source", maintain_order=True):
        right = of_source.filter(pl.col("nearest") == source)["share"].sum()
        commonest = of_source.sort("n", descending=True, maintain_order=True).row(0, named=True)
        rows.append(
            {
                "source": source,
                "n": of_source["n"].sum(),
                "right": right if commonest["known"] == "yes" else None,
                "commonest": commonest["nearest"],
                "share": commonest["share"],
            }
        )
    return {**entry, "accuracy": float(accuracy) if accuracy else None, "rows": rows}
