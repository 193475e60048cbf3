"""The report's part on known cues, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from spoofscope.attribution_methods import METHOD_TITLES
from spoofscope.p_values import p_is
from spoofscope.report.audits import listed
from spoofscope.summaries.cue_use import (
    CAUSE,
    DETECTION,
    LEARNING,
    LOCALISATION,
    NOWHERE,
    USES,
    read_cue_use,
)


def cue_use_section(table: str | None) -> list[dict[str, Any]]:
    """For each detector and set its sentences; none without known cues.

    Args:
        table: the table `cue_use`.

    Returns:
        name, corpus, split and sentences: one for each attack, by the first method of attribution,
        and what other methods find that it does not, or do not find.

    Raises:
        TableError: the table is damaged.
    """
    if table is None:
        return []
    whole = read_cue_use(table)
    sections = []
    for (name, corpus, split), rows in whole.group_by(
        "name", "corpus", "split", maintain_order=True
    ):
        by_attack = [
            of_attack.to_dicts() for _, of_attack in rows.group_by("attack", maintain_order=True)
        ]
        # What was found stands above what was not.
        by_attack.sort(key=lambda methods: all(row["verdict"] != USES for row in methods))
        sentences = [
            " ".join([sentence(first), *_other_methods(first, others)])
            for first, *others in by_attack
        ]
        sections.append({"name": name, "corpus": corpus, "split": split, "sentences": sentences})
    return sections


def sentence(row: Mapping[str, Any]) -> str:
    """What follows for one detector and attack, with the numbers behind it."""
    cue = f"the cue of {row['attack']}"
    if row["axis"] == NOWHERE:
        return (
            f"Nothing can be said of {row['name']} and {cue}: it is everywhere, or at frequencies "
            "that the features do not tell apart."
        )
    parts = {
        DETECTION: _detection(row),
        LOCALISATION: _localisation(row),
        CAUSE: _cause(row),
        LEARNING: _learning(row),
    }
    if row["verdict"] == USES:
        return f"{row['name']} uses {cue}: {'; '.join(parts.values())}."
    lacks = row["lacks"].split(", ")
    shown = [text for name, text in parts.items() if name in lacks]
    return (
        f"No evidence that {row['name']} uses {cue}: {listed(lacks)} "
        f"{'is' if len(lacks) == 1 else 'are'} not shown ({'; '.join(shown)})."
    )


def _other_methods(first: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences about methods that find the cue where the first does not, and the reverse; they
    differ in where they see evidence, and in nothing else.
    """
    return [
        f"By another method {'it is shown' if row['verdict'] == USES else 'it is not shown'}: "
        f"{_localisation(row)}."
        for row in others
        if row["verdict"] != first["verdict"]
    ]


def _detection(row: Mapping[str, Any]) -> str:
    return f"EER {100 * row['eer']:.1f} %{_interval(row, 'eer', 100)}"


_TRUST = {
    "passes": "",
    "fails": " (†: its explanations fail their controls)",
    "undecided": " (‡: undecided whether its explanations pass their controls)",
}


def _localisation(row: Mapping[str, Any]) -> str:
    where = {"time": "in time", "band": "over frequency"}[row["axis"]]
    chance = ""
    if row["auc_chance_high"] is not None:
        chance = f", chance up to {row['auc_chance_high']:.2f}"
    return (
        f"evidence at the cue {where} with AUC {row['auc']:.2f}{_interval(row, 'auc')}{chance}, by "
        f"{METHOD_TITLES[row['method']]} of {row['n_localised']} clips{_TRUST[row['controls']]}"
    )


def _cause(row: Mapping[str, Any]) -> str:
    if row["p_holm"] is None and row["n_units"] > 1:
        return "replacing the cue changes no score"
    p = "a single clip or speaker gives no p value"
    if row["p_holm"] is not None:
        p = f"{p_is(row['p_holm'])} after correction"
    return (
        f"replacing the cue changes the evidence for spoof by {-row['drop']:+.2g}, and replacing "
        f"as much elsewhere by {-row['drop_control']:+.2g}: a drop of {row['beyond']:+.2g}"
        f"{_interval(row, 'beyond')} beyond that, {p}"
    )


def _learning(row: Mapping[str, Any]) -> str:
    if row["p_copies"] is None:
        return "it was not held against shuffled weights"
    return f"{p_is(row['p_copies'])} against {row['copies']} copies with shuffled weights"


def _interval(row: Mapping[str, Any], name: str, factor: float = 1) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if low is None:
        return " (no interval)"
    digits = 1 if factor != 1 else 2
    return f" ({factor * low:.{digits}f} to {factor * high:.{digits}f})"
