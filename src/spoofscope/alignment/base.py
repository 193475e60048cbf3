"""What every aligner is, and what it says of a clip."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from spoofscope.names import NONE
from spoofscope.options.aligners import AlignerOptions


class Span(NamedTuple):
    """A stretch of a clip: start and end in seconds, tier and label, as in tables of segments."""

    start: float
    end: float
    tier: str
    label: str


@dataclass(frozen=True)
class Aligned:
    """What an aligner says of one clip.

    spans: tier by tier, in order of time. source: where labels and words come from: `transcript`,
    `recognised`, `file`, or `-` where there are none. confidence: mean probability, in [0, 1], that
    the aligner gives the labels where it puts them; None where it has no such thing. in_silence:
    how many labels lie in a silence, where two sources contradict each other. problem: why
    something is missing; `-` where nothing is.
    """

    spans: Sequence[Span] = ()
    source: str = NONE
    confidence: float | None = None
    in_silence: int = 0
    problem: str = NONE

    def to_json(self) -> dict[str, Any]:
        """As plain values, for a journal."""
        return {
            "spans": [list(span) for span in self.spans],
            "source": self.source,
            "confidence": self.confidence,
            "in_silence": self.in_silence,
            "problem": self.problem,
        }


class Clip(NamedTuple):
    """A row of a manifest: its `utt_id`, `path`, `duration` (s) and other columns by name."""

    utt_id: str
    path: str
    duration: float
    columns: dict[str, str]


@dataclass(frozen=True)
class Given:
    """What aligners are given besides their options.

    table: the segments that they import; None where they import none.
    """

    table: str | None = None


class Aligner(ABC):
    """From a clip to its tiers. An aligner has no memory: a clip's tiers depend on no other clip.

    Attributes:
        options_type: the class of its options.
    """

    options_type: ClassVar[type[AlignerOptions]]

    @abstractmethod
    def __init__(self, options: Any, given: Given) -> None:
        """Load what it needs for all clips.

        Args:
            options: one of `options_type`.
            given: files and networks.
        """

    @abstractmethod
    def align(self, clip: Clip) -> Aligned:
        """The tiers of one clip.

        Raises:
            AudioError: the recording cannot be read.
        """
