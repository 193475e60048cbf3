"""Findings of the audit of a corpus, as sentences."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from spoofscope.corpora.cues import WORDS
from spoofscope.names import ALL
from spoofscope.tables import read_table

_COLUMNS: dict[str, pl.DataType] = dict.fromkeys(("check", "status"), pl.String())

NEEDS_ATTENTION = ("warn", "fail")

# Checks whose notes name their split themselves.
_WITH_THEIR_PLACE = ("few_trials", "no_bonafide", "attack_in_one_split")


def read_audit(path: str) -> pl.DataFrame:
    """A table of `corpora.audit`; a missing value is null."""
    return read_table(path, _COLUMNS, {"value": pl.Float64()})


def attention(audit: pl.DataFrame) -> pl.DataFrame:
    """The rows with a warning or a failure."""
    return audit.filter(pl.col("status").is_in(NEEDS_ATTENTION))


def sentences(rows: pl.DataFrame) -> list[str]:
    """Each finding as a sentence; a cue of several attacks is one finding of its split."""
    cues = rows.filter(pl.col("check") == "cue")
    findings = [
        _finding(row) for row in rows.filter(pl.col("check") != "cue").iter_rows(named=True)
    ]
    for (split, cue), of_cue in cues.group_by("split", "item", maintain_order=True):
        findings.append(_cue(str(split), str(cue), of_cue))
    return findings


def strongest_cue(rows: pl.DataFrame) -> str | None:
    """The cue of all splits that separates the classes best, as a sentence; None without a cue."""
    cues = rows.filter(pl.col("check") == "cue")
    if cues.is_empty():
        return None
    best = _by_strength(cues).row(0, named=True)
    of_cue = cues.filter((pl.col("split") == best["split"]) & (pl.col("item") == best["item"]))
    return _cue(best["split"], best["item"], of_cue)


def _by_strength(cues: pl.DataFrame) -> pl.DataFrame:
    distance = (pl.col("value") - 0.5).abs()
    return cues.sort(distance, descending=True, maintain_order=True)


def _cue(split: str, cue: str, rows: pl.DataFrame) -> str:
    attacks = [name for name in rows["attack"] if name != "all"]
    spoofs = f"the spoofs of {listed(attacks)}" if attacks else "the spoofs"
    best = _by_strength(rows).row(0, named=True)
    which = "all spoofs" if best["attack"] == "all" else best["attack"]
    most = "" if rows.height == 1 else f", with the largest effect for {which}"
    return (
        f"{split}: the {WORDS[cue][0]} alone separates {spoofs} from bona fide speech{most}: "
        f"AUC {best['value']:.2f}, {best['note']}."
    )


def _finding(row: dict[str, Any]) -> str:
    place = row["split"]
    if row["check"] == "counts":
        label = "bona fide" if row["item"] == "bonafide" else row["item"]
        place = "all splits" if place == ALL else place
        return f"{place}: {row['value']:.0f} {label} clips; {row['note']}."
    if row["check"] == "leakage":
        first, second = row["split"].split("+")
        what = row["item"]
        more = "s are" if row["value"] != 1 else " is"
        return f"{row['value']:.0f} {what}{more} in {first} and in {second}; {row['note']}."
    if row["check"] in _WITH_THEIR_PLACE:
        return f"{row['note'][:1].upper()}{row['note'][1:]}."
    if row["check"] == "audio":
        return f"{place}: {row['item']}: {row['note']}."
    return f"{row['note']}." if place == ALL else f"{place}: {row['note']}."


def listed(names: Iterable[str]) -> str:
    """Names in a sentence: a, b and c."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
