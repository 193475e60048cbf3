"""How often a tracer is wrong on the sets that its study has traced, as numbers and in words."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict

NOT_AT_HAND = "the results of its study are not at hand"
NO_SET = "the study at hand has measured it on no set"

MEASURES = {
    "balanced_accuracy": "balanced accuracy over the known classes",
    "auroc": "AUROC of unknown attacks",
    "eer": "equal error rate of unknown attacks",
    "unknown_accepted": "clips of unknown attacks that pass as known",
    "known_rejected": "clips of known classes that are called unknown",
}
"""Of every number of a traced set."""

_AREA = "auroc"


class Rate(TypedDict):
    """A number with its 95 % interval; reason: why it has none, or no value."""

    value: float | None
    low: float | None
    high: float | None
    reason: str


class TracedSet(TypedDict):
    """Errors on a set; JSON-able. own_dev: whether thresholds and temperature were chosen on it."""

    corpus: str
    split: str
    own_dev: bool
    n_known: int
    n_unknown: int
    numbers: dict[str, Rate]


class TracerValidation(TypedDict):
    """What is known of a tracer's errors; JSON-able.

    sets: traced sets, eval sets first. decided_by: the detector of unknown attacks that these are
    of. polarity: how it is known that a higher score of it means more unknown. said: all of it in
    sentences.
    """

    sets: list[TracedSet]
    decided_by: str
    polarity: str
    said: list[str]


class TracedSets(NamedTuple):
    """The errors of a tracer, and why there are none where there are none.

    Attributes:
        sets: eval sets first.
        decided_by, polarity: see `TracerValidation`.
        checked: whether the polarity is known.
        missing: why there are no sets.
        files: the tables that were read.
    """

    sets: Sequence[TracedSet]
    decided_by: str
    polarity: str
    checked: bool
    missing: str = ""
    files: tuple[Path, ...] = ()

    def validation(self) -> TracerValidation:
        """As part of an answer."""
        return {
            "sets": list(self.sets),
            "decided_by": self.decided_by,
            "polarity": self.polarity,
            "said": self.in_words(),
        }

    def in_words(self) -> list[str]:
        """In sentences."""
        said = [self._of_set(each) for each in self.sets]
        if not said:
            said = [f"How often this tracer is wrong is not known here: {self.missing}."]
        if not self.checked:
            said.append(
                f"The polarity of {self.decided_by} was {self.polarity}, so nothing shows that a "
                "higher score means more unknown."
            )
        return said

    def _of_set(self, each: TracedSet) -> str:
        own = ", on which its thresholds were chosen" if each["own_dev"] else ""
        clips = f"{each['n_known']} clips of known classes, {each['n_unknown']} of unknown attacks"
        numbers = [
            f"{MEASURES[name]} {_shown(name, rate)}" for name, rate in each["numbers"].items()
        ]
        return (
            f"Errors of this tracer on {each['corpus']}, {each['split']}{own} ({clips}; "
            f"{self.decided_by} decides): {'; '.join(numbers)}."
        )


def _shown(name: str, rate: Rate) -> str:
    """A number with its interval, or why it has none."""
    value, low, high = rate["value"], rate["low"], rate["high"]
    if value is None:
        return f"not known ({rate['reason']})" if rate["reason"] else "not known"
    percent = name != _AREA

    def text(number: float) -> str:
        return f"{100 * number:.1f}" if percent else f"{number:.2f}"

    unit = " %" if percent else ""
    if low is None or high is None:
        why = f": {rate['reason']}" if rate["reason"] else ""
        return f"{text(value)}{unit} (no interval{why})"
    return f"{text(value)}{unit} ({text(low)} to {text(high)}{unit})"


def said_of(validation: TracerValidation | None) -> list[str]:
    """Its sentences; none where nobody asked."""
    return [] if validation is None else validation["said"]
