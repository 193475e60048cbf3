"""The report's part on what people hear, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.attribution.verdicts import MARKS, Standing, note
from spoofscope.metrics.limits import LEAST_CLIPS
from spoofscope.names import ALL
from spoofscope.p_values import p_is
from spoofscope.summaries.annotation import read_cues, read_measures, read_tests

_NONE = "-"


def annotation_section(
    tables: Mapping[str, str], standings: Mapping[str, Standing]
) -> dict[str, Any] | None:
    """What the report says about labels; None without them.

    Args:
        tables: `measures`, `cues` and `tests`, the parts of the table `annotation`; empty without.
        standings: of the explanations of each detector.

    Returns:
        who (a sentence), findings and doubts (sentences), and detectors: of each its name with the
        mark of its explanations, n and cues, locality, audible, width, density, alpha and iou as
        texts.

    Raises:
        TableError: a table is damaged.
    """
    if not tables:
        return None
    measures = read_measures(tables["measures"])
    cues = read_cues(tables["cues"]).filter(annotator=ALL)
    names = cues["detector"].unique(maintain_order=True).to_list()
    counts = {
        row["measure"]: row["n"] for row in measures.filter(detector=ALL).iter_rows(named=True)
    }
    return {
        "who": (
            f"Of explanations of {counts['clips']} clips there are {counts['labels']} labels; "
            f"annotators: {counts['annotators']}. {_intervals(measures)}"
        ),
        "findings": _findings(read_tests(tables["tests"])),
        "doubts": [*_doubts(counts), *_unreliable(names, standings)],
        "detectors": [
            {
                **_detector(name, measures, cues),
                "name": f"{name}{MARKS[standings.get(name, 'passes')]}",
            }
            for name in names
        ],
    }


def _intervals(measures: pl.DataFrame) -> str:
    if measures["ci_low"].is_null().all():
        return f"There are too few speakers or clips for intervals: fewer than {LEAST_CLIPS}."
    return "Brackets hold 95 % intervals."


def _findings(tests: pl.DataFrame) -> list[str]:
    (row,) = tests.filter(annotator=ALL, detector=ALL).iter_rows(named=True)
    if row["chi_squared"] is None:
        return ["There are too few cues to hold detectors against each other."]
    sentence = (
        "Detectors against cues: chi-squared "
        f"{row['chi_squared']:.1f} with {row['dof']} degrees of freedom, Cramer's V "
        f"{row['cramers_v']:.2f}; {p_is(row['p_permuted'])} by exchanging detectors within "
        f"{row['clusters']} speakers or clips ({p_is(row['p'])} if all labels were independent)."
    )
    differ = [
        f"{pair['detector']} ({p_is(pair['p_holm'])})"
        for pair in tests.iter_rows(named=True)
        if pair["p_holm"] is not None and pair["p_holm"] < 0.05
    ]
    if differ:
        return [sentence, f"Pairs that differ after Holm's correction: {', '.join(differ)}."]
    return [sentence]


def _doubts(counts: Mapping[str, int]) -> list[str]:
    doubts = []
    if counts["annotators"] < 2:
        doubts.append("With one annotator there is no agreement to measure.")
    if counts["answers_not_blind"]:
        doubts.append(
            f"{counts['answers_not_blind']} answers were not blind, or are not known to be."
        )
    if counts["outdated_answers"]:
        doubts.append(
            f"{counts['outdated_answers']} answers are about explanations that are others now, or "
            "not in the pack; they do not count."
        )
    return doubts


def _unreliable(names: Sequence[str], standings: Mapping[str, Standing]) -> list[str]:
    """Which of the labelled explanations do not pass their controls."""
    said = note({name: standings[name] for name in names if name in standings})
    return [said] if said else []


def _detector(name: str, measures: pl.DataFrame, cues: pl.DataFrame) -> dict[str, Any]:
    rows = {row["measure"]: row for row in measures.filter(detector=name).iter_rows(named=True)}
    given = cues.filter(pl.col("n") > 0, detector=name).sort(
        "n", descending=True, maintain_order=True
    )
    return {
        "n": int(given["n"].sum()),
        "cues": ", ".join(f"{row['cue']} {row['n']}" for row in given.iter_rows(named=True)),
        "locality": _value(rows["locality"]),
        "audible": _value(rows["audible"], 100, " %", 0),
        "width": _value(rows["width_median"], 1, " s"),
        "density": _value(rows["density_in_regions"]),
        "alpha": _value(rows["alpha_cue"]),
        "iou": _chance(rows["iou_people"]),
    }


def _value(row: Mapping[str, Any], factor: float = 1, unit: str = "", digits: int = 2) -> str:
    if row["value"] is None:
        return _NONE
    text = f"{factor * row['value']:.{digits}f}{unit}"
    if row["ci_low"] is None:
        return text
    return f"{text} ({factor * row['ci_low']:.{digits}f} to {factor * row['ci_high']:.{digits}f})"


def _chance(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return _NONE
    return f"{_value(row)}; chance {row['chance']:.2f}"
