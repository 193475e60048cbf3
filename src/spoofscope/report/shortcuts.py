"""The report's part on shortcuts, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.metrics.paired import ALPHA
from spoofscope.p_values import p_is
from spoofscope.report.audits import listed
from spoofscope.report.first import Point, said_once
from spoofscope.shortcuts.tables import PUT
from spoofscope.summaries.shortcuts import NO_EVIDENCE, TOO_FEW, USES, read_shortcuts

_CLASS = {"spoof": "spoofs", "bonafide": "bona fide speech"}
_OTHER = {"spoof": "bona fide recordings", "bonafide": "spoofs"}
_OWN = {"spoof": "spoofs", "bonafide": "bona fide recordings"}
_WRONG = {"bona fide recordings": "rejected", "spoofs": "accepted"}
_RIGHT = {"bona fide recordings": "accepted", "spoofs": "rejected"}


def shortcut_section(table: str | None) -> list[dict[str, Any]]:
    """For each detector and set what every cue showed; none without an audit.

    Args:
        table: the table `shortcuts`.

    Returns:
        name, corpus, split, cues (of each: name, verdict, sentences) and doubts.

    Raises:
        TableError: the table is damaged.
    """
    if table is None:
        return []
    whole = read_shortcuts(table)
    n_tests = whole.filter(pl.col("p").is_not_null()).height
    sections = []
    sets = whole.select("name", "corpus", "split").unique(maintain_order=True)
    for name, corpus, split in sets.rows():
        rows = whole.filter(name=name, corpus=corpus, split=split)
        cues = [
            {
                "name": cue,
                "verdict": of_cue["verdict"][0],
                "sentences": [_conclusion(name, of_cue), *map(_test, of_cue.to_dicts())],
            }
            for cue in rows["cue"].unique(maintain_order=True)
            for of_cue in [rows.filter(cue=cue)]
        ]
        sections.append(
            {
                "name": name,
                "corpus": corpus,
                "split": split,
                "cues": cues,
                "doubts": _doubts(rows, n_tests),
            }
        )
    return sections


def shortcut_points(sections: Sequence[Mapping[str, Any]]) -> list[Point]:
    """Cues that are used, and the doubts of all sections, for the top of the report."""
    users: dict[str, list[str]] = {}
    for section in sections:
        for cue in section["cues"]:
            if cue["verdict"] == USES and section["name"] not in users.setdefault(cue["name"], []):
                users[cue["name"]].append(section["name"])
    points = []
    for cue, names in users.items():

        def concerns(row: Mapping[str, Any], names: Sequence[str] = tuple(names)) -> bool:
            return row["name"] in names

        if names:
            verbs = ("use", "their") if len(names) > 1 else ("uses", "its")
            text = (
                f"{listed(names)} {verbs[0]} a shortcut: {verbs[1]} decisions follow the cue {cue}."
            )
            points.append(Point(text, concerns, "#shortcuts"))
    return points + said_once("Shortcuts", sections, "#shortcuts")


def _conclusion(name: str, rows: pl.DataFrame) -> str:
    """The verdict on one cue, and what it rests on."""
    row = rows.row(0, named=True)
    words = {
        USES: f"{name} uses the cue: decisions follow it, beyond a change as large that is no cue",
        NO_EVIDENCE: f"no evidence that {name} uses the cue, which does not prove that it does not",
        TOO_FEW: "too few recordings or speakers to say whether it is used",
    }[row["verdict"]]
    if row["index"] is None:
        return f"{words}."
    return f"{words}. Shortcut index {_signed(row['index'], row['index_low'], row['index_high'])}."


def _test(row: Mapping[str, Any]) -> str:
    """What one test of a cue showed."""
    is_put = row["test"] == PUT
    whose = (_OTHER if is_put else _OWN)[row["of"]]
    if not is_put and row["removable"] == "no":
        return f"Not removable: the study names nothing that takes it off {_CLASS[row['of']]}."
    what = f"with the cue of {_CLASS[row['of']]}" if is_put else "without the cue"
    rate = row["measure"].replace("_", "-")
    if not row["n"]:
        return (
            f"{rate}: none of the {whose} that carry the test are {_RIGHT[whose]} as they are, so "
            "there is no rate."
        )
    text = (
        f"{rate} {_percent(row['rate'])}{_interval(row)}: of {row['n']} {whose} that are "
        f"{_RIGHT[whose]} as they are, so many are {_WRONG[whose]} {what}; "
        f"{_percent(row['control_rate'])} under the control"
    )
    if row["p_holm"] is None:
        return f"{text}; a single speaker (or other resampled unit) gives no p value."
    able = "" if row["p_smallest"] < ALPHA else ", which could not have been below 0.05"
    return f"{text} ({p_is(row['p_holm'])} after correction{able})."


def _doubts(rows: pl.DataFrame, n_tests: int) -> list[str]:
    cues = rows.filter(verdict=TOO_FEW)["cue"].unique(maintain_order=True).to_list()
    if not cues:
        return []
    return [
        f"there are too few recordings or speakers for {n_tests} tests to say anything about "
        f"{', '.join(cues)}. Audit fewer cues and detectors, or more speakers."
    ]


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _interval(row: Mapping[str, Any]) -> str:
    if row["ci_low"] is None:
        return " (no interval)"
    return f" ({100 * row['ci_low']:.1f} to {100 * row['ci_high']:.1f})"


def _signed(value: float, low: float | None, high: float | None) -> str:
    if low is None:
        return f"{value:+.2f} (no interval)"
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"
