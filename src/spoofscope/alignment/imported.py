"""Alignments of others: tables of segments, and TextGrids."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import polars as pl

from spoofscope.alignment.base import Aligned, Aligner, Clip, Given, Span
from spoofscope.alignment.pauses import SILENCE, silences
from spoofscope.errors import ConfigError, TableError
from spoofscope.options.aligners import ImportedOptions, Segments, TextGrids
from spoofscope.tables import read_table
from spoofscope.textgrids import INTERVAL_COLUMNS

FROM_FILE = "file"
ABSENT = "not in the file"

# Ends of clips that others rounded, or counted in frames of 10 ms.
_BEYOND = 0.02
# Times with three decimals or more that meet.
_MEETING = 0.0005


class _Interval(NamedTuple):
    line: int
    span: Span


class ImportedAligner(Aligner):
    """Segments from a table, checked against the clip.

    Labels that stand for silence become the tier silence, whose labels are as those of all
    aligners. A clip that is not in the table has no tiers; that is its problem.

    Raises:
        ConfigError: no tier of the table is one that `tiers` names.
        TableError: the table breaks its contract; file and line are named.
    """

    def __init__(self, options: ImportedOptions, given: Given) -> None:
        assert given.table is not None
        self._options = options
        self._path = Path(given.table)
        self._intervals: dict[str, list[_Interval]] = {}
        # Silence often has no label.
        table = read_table(self._path, INTERVAL_COLUMNS, {"label": pl.String()})
        tiers = options.tiers
        present = table["tier"].unique(maintain_order=True).to_list()
        if not set(tiers) & set(present):
            raise ConfigError(
                f"{self._path}: its tiers are {', '.join(map(repr, present)) or 'none'}; name them "
                f"in the key `tiers` of the aligner, which has {', '.join(map(repr, tiers))}"
            )
        columns = ("utt_id", "start", "end", "tier", "label")
        for line, (utt_id, start, end, tier, label) in enumerate(
            table.select(columns).iter_rows(), start=2
        ):
            if not 0 <= start < end:
                raise TableError(
                    f"{self._path}: line {line}: segment from {start} to {end} s; a segment starts "
                    "at 0 s or later and ends after its start"
                )
            if tier in tiers:
                span = Span(start, end, tiers[tier], label.strip())
                self._intervals.setdefault(utt_id, []).append(_Interval(line, span))

    def align(self, clip: Clip) -> Aligned:
        """The tiers of one clip.

        Raises:
            TableError: a segment outside of the clip, or two in one tier that overlap.
        """
        intervals = self._of(clip)
        if intervals is None:
            return Aligned(problem=ABSENT)
        spans = [self._inside(interval, clip) for interval in intervals]
        self._refuse_overlaps(spans, clip)
        silent = [span for _, span in spans if self._is_silence(span)]
        labelled = [span for _, span in spans if not self._is_silence(span)]
        pauses = silences(_joined(silent), clip.duration)
        return Aligned(
            [*sorted(labelled, key=lambda span: (span.tier, span.start)), *pauses],
            source=FROM_FILE,
        )

    def _of(self, clip: Clip) -> Sequence[_Interval] | None:
        """The intervals of a clip; None where the table has it not."""
        return self._intervals.get(clip.utt_id)

    def _inside(self, interval: _Interval, clip: Clip) -> _Interval:
        """The same, without what rounding put behind the clip's end."""
        span = interval.span
        if span.end > clip.duration + _BEYOND or span.start >= clip.duration:
            raise TableError(
                f"{self._path}: line {interval.line}: {clip.utt_id} has a segment from "
                f"{span.start} to {span.end} s, and {clip.duration} s in all"
            )
        return interval._replace(span=span._replace(end=min(span.end, clip.duration)))

    def _refuse_overlaps(self, intervals: Sequence[_Interval], clip: Clip) -> None:
        by_tier: dict[str, _Interval] = {}
        for interval in sorted(intervals, key=lambda each: each.span.start):
            before = by_tier.get(interval.span.tier)
            if before is not None and interval.span.start < before.span.end - _MEETING:
                raise TableError(
                    f"{self._path}: lines {before.line} and {interval.line}: two segments of "
                    f"{clip.utt_id} in the tier {interval.span.tier} overlap ({before.span.start} "
                    f"to {before.span.end} s, {interval.span.start} to {interval.span.end} s)"
                )
            by_tier[interval.span.tier] = interval

    def _is_silence(self, span: Span) -> bool:
        names = {name.lower() for name in self._options.silence_labels}
        return span.tier == SILENCE or span.label.lower() in names


class TableAligner(ImportedAligner):
    """A table with the ids of utterances."""

    options_type = Segments


class TextGridAligner(ImportedAligner):
    """The intervals of a folder of TextGrids, in a table by `textgrids.list_textgrids`.

    A file belongs to the clip whose id is its path in the folder, with `/` or with `-` between
    folders, or its name alone.

    Raises:
        TableError: two files belong to one clip, when that is aligned.
    """

    options_type = TextGrids

    def _of(self, clip: Clip) -> Sequence[_Interval] | None:
        files = self._files.get(clip.utt_id, [])
        if len(files) > 1:
            raise TableError(
                f"{self._path}: the TextGrids {files[0]!r} and {files[1]!r} both belong to the "
                f"clip {clip.utt_id!r}; move one of them out of the folder"
            )
        return self._intervals[files[0]] if files else None

    @cached_property
    def _files(self) -> dict[str, list[str]]:
        """Id of a clip to the files that would belong to it."""
        files: dict[str, list[str]] = {}
        for file in self._intervals:
            for name in dict.fromkeys((file, file.replace("/", "-"), file.rpartition("/")[2])):
                files.setdefault(name, []).append(file)
        return files


def _joined(spans: Iterable[Span]) -> list[tuple[float, float]]:
    """Start and end of stretches that spans cover together, in order."""
    stretches: list[tuple[float, float]] = []
    for span in sorted(spans):
        if stretches and span.start <= stretches[-1][1] + _MEETING:
            start, end = stretches.pop()
            stretches.append((start, max(end, span.end)))
        else:
            stretches.append((span.start, span.end))
    return stretches
