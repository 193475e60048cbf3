"""What every aligner is, and what it says of a clip."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import polars as pl

from spoofscope.names import NONE
from spoofscope.options.aligners import AlignerOptions
from spoofscope.tables import read_table


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


CLIP_COLUMNS: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "source": pl.String(),
    "confidence": pl.Float64(),
    "in_silence": pl.Int64(),
    "problem": pl.String(),
}
"""Of the table of aligned clips: the fields of :class:`Aligned` but for its spans."""


def read_clips(path: str | Path) -> pl.DataFrame:
    """Read how each clip was aligned: `CLIP_COLUMNS`; `confidence` is null where there is none.

    Raises:
        TableError: as `tables.read_table`.
    """
    needed = {name: kind for name, kind in CLIP_COLUMNS.items() if name != "confidence"}
    return read_table(path, needed, {"confidence": pl.Float64()}).select(list(CLIP_COLUMNS))


class Clip(NamedTuple):
    """A row of a manifest: its `utt_id`, `path`, `duration` (s) and other columns by name."""

    utt_id: str
    path: str
    duration: float
    columns: dict[str, str]


@dataclass(frozen=True)
class Given:
    """What aligners are given besides their options.

    table: the segments that they import, or those of the aligner that says where silence is; None
    where they need neither. clips: what that aligner says of each clip. backbone: `family` and
    `folder` of the recogniser, if there is one. device: torch's name of where it runs.
    """

    table: str | None = None
    clips: str | None = None
    backbone: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"


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
