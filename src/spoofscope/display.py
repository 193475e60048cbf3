"""Names for people: what figures, printed tables and the report call what a study file names.

Files and tables for machines keep the names of the study file. Standard library only.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from spoofscope.names import ALL, BONAFIDE, NONE, POOLED

ATTACK = "attack"
WITHOUT = "(none)"
"""The level of what has no codec, or none of another condition, unless the study names it."""

_SYSTEMS = ("name", "system", "detector", "tracer", "first", "second", "right", "wrong")
_ATTACKS = (ATTACK, "generator", "mistaken_for", "source", "nearest", "other")
_LEVELS = ("level", "worst_level")
# Several levels in a field.
_LISTS = ("small_levels", "without_eer", "without_interval")


class DisplayNames:
    """What section `names` of a study file says; a name that it does not have stays as it is.

    Args:
        names: the section: `systems`, `corpora`, `attacks`, `conditions`, each name to name for
            people; `levels`, condition to the same of its levels.
    """

    def __init__(self, names: Mapping[str, Mapping[str, Any]]) -> None:
        self._names = names

    def __bool__(self) -> bool:
        return any(self._names.values())

    def _of(self, kind: str, name: str) -> str:
        return str(self._names.get(kind, {}).get(name, name))

    def system(self, name: str) -> str:
        """Of a detector, fusion or tracer."""
        return self._of("systems", name)

    def corpus(self, name: str) -> str:
        """Of a corpus or an augmented copy."""
        return self._of("corpora", name)

    def attack(self, name: str) -> str:
        """Of an attack; "bona fide" of what is none."""
        return "bona fide" if name == BONAFIDE else self._of("attacks", name)

    def attacks_without(self, known: Collection[str]) -> list[str]:
        """The attacks that have a name for people and are none of these, such as mistyped ones."""
        return sorted(set(self._names.get("attacks", {})) - set(known))

    def condition(self, name: str) -> str:
        """Of a condition; one of several columns has the name of each."""
        whole = self._of("conditions", name)
        if whole != name or "+" not in name:
            return whole
        return " + ".join(self._of("conditions", part) for part in name.split("+"))

    def level(self, condition: str, level: str) -> str:
        """Of a level of a condition, which is an attack where the condition is `attack`."""
        if condition == POOLED:
            return ALL
        return self.attack(level) if condition == ATTACK else self._level(condition, level)

    def _level(self, condition: str, level: str) -> str:
        if condition == ATTACK:
            return self._of("attacks", level)
        unsaid = WITHOUT if level == NONE else level
        whole = str(self._names.get("levels", {}).get(condition, {}).get(level, unsaid))
        columns, parts = condition.split("+"), level.split("+")
        if whole != level or len(columns) < 2 or len(parts) != len(columns):
            return whole
        return " + ".join(map(self._level, columns, parts))

    def trials(self, corpus: str, split: str) -> str:
        """Of a split of a corpus."""
        return f"{self.corpus(corpus)}, {split}"

    def trained_on(self, text: str) -> str:
        """Of a corpus with some of its attacks, `corpus (attack, attack)`, or of a detector."""
        found = re.fullmatch(r"(\S+) \((without )?(.*)\)", text)
        if found is None:
            return (
                self.corpus(text) if text in self._names.get("corpora", {}) else self.system(text)
            )
        attacks = ", ".join(self.attack(name) for name in found[3].split(", "))
        return f"{self.corpus(found[1])} ({found[2] or ''}{attacks})"

    def of_column(self, column: str, value: str, row: Mapping[str, Any]) -> str:
        """Of a value in a table, by what its column holds; words such as `pooled` stay.

        Args:
            column: name of the column.
            value: the text in it.
            row: all values of that row, of which a level needs its condition.
        """
        if column in _SYSTEMS:
            return self.system(value)
        if column == "corpus":
            return self.corpus(value)
        if column in _ATTACKS:
            return self._of("attacks", value)
        if column == "condition":
            return self.condition(value)
        if column in _LISTS and value:
            return ", ".join(self.of_column("level", level, row) for level in value.split(", "))
        kind = row.get("condition" if column in _LEVELS else "kind" if column == "group" else "")
        return value if kind in (None, POOLED) else self._level(str(kind), value)
