"""The report's part on robustness, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from spoofscope.report.first import Point
from spoofscope.summaries.robustness import read_worst

MUCH = 0.10
"""By so much the HTER of a detector has to rise for the top of the report to say so."""


def robustness_section(worst: str | None) -> list[dict[str, Any]]:
    """For each set the detectors by their worst case, the worst first; none without laundering.

    Args:
        worst: the table of worst cases.

    Returns:
        corpus, split, about (what was judged), detectors (of each: name, sentence) and doubts.

    Raises:
        TableError: the table is damaged.
    """
    if worst is None:
        return []
    whole = read_worst(worst)
    sections = []
    for corpus, split in whole.select("corpus", "split").unique(maintain_order=True).rows():
        rows = whole.filter(corpus=corpus, split=split).sort("rank", maintain_order=True).to_dicts()
        first = rows[0]
        sections.append(
            {
                "corpus": corpus,
                "split": split,
                "about": (
                    f"{first['n_bonafide']} bona fide recordings and {first['n_spoof']} spoofs, "
                    f"each under {first['n_changes']} chains."
                ),
                "detectors": [{"name": row["name"], "sentence": _sentence(row)} for row in rows],
                "doubts": _doubts(rows),
                "falls": [row["name"] for row in rows if _falls(row)],
                "points": [_point(row, f"{corpus}, {split}") for row in rows if _falls(row)],
            }
        )
    return sections


def robustness_points(sections: Sequence[Mapping[str, Any]]) -> list[Point]:
    """Detectors that a chain makes much worse, for the top of the report."""
    points = []
    for section in sections:
        for name, text in zip(section["falls"], section["points"], strict=True):

            def concerns(row: Mapping[str, Any], name: str = name) -> bool:
                return bool(row["name"] == name)

            points.append(Point(text, concerns, "#robustness"))
    return points


def _falls(row: Mapping[str, Any]) -> bool:
    low = row["difference_low"]
    return bool(row["difference"] >= MUCH and low is not None and low > 0)


def _point(row: Mapping[str, Any], place: str) -> str:
    return (
        f"{row['name']} on {place}: at its threshold, the HTER rises from "
        f"{_percent(row['clean_hter'])} to {_percent(row['hter'])} where recordings go through the "
        f"chain {row['chain']}."
    )


def _sentence(row: Mapping[str, Any]) -> str:
    """The worst case of one detector, and how sure its rank is."""
    change = "no interval"
    if row["difference_low"] is not None:
        change = _points(row["difference_low"]) + " to " + _points(row["difference_high"])
    text = (
        f"worst under {row['change']}, chain {row['chain']} (severity {row['severity']}): HTER "
        f"{_percent(row['hter'])}{_interval(row['hter_low'], row['hter_high'])} at the threshold "
        f"chosen before, {_points(row['difference'])} points ({change}) from clean recordings; "
        f"bona fide rejected {_percent(row['bonafide_rejected'])}, spoofs accepted "
        f"{_percent(row['spoof_accepted'])}; EER {_percent(row['eer'])}."
    )
    if row["gap"] is None:
        return text
    if row["gap_low"] is None or row["gap_low"] <= 0 <= row["gap_high"]:
        return f"{text} The data does not say whether the next one is better."
    return f"{text} The next one is better by {_points(row['gap'])} points."


def _doubts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if all(row["hter_low"] is not None for row in rows):
        return []
    return ["There is a single speaker (or other resampled unit) of a class, so no intervals."]


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({100 * low:.1f} to {100 * high:.1f})"
