"""The clips of a split, aligned one by one, and the two tables that say how."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl

from spoofscope.aligners import ALIGNERS
from spoofscope.alignment.base import CLIP_COLUMNS, Aligned, Aligner, Clip, Given
from spoofscope.errors import TableError
from spoofscope.shards.journal import Done, work_through
from spoofscope.tables import SEGMENT_COLUMNS

# Times are written to the tenth of a millisecond, finer than any aligner hears.
_DIGITS = 4


class Alignments(NamedTuple):
    """What an aligner says of the clips of a split.

    segments: as `tables.read_segments` reads them. clips: `CLIP_COLUMNS`, a row per clip.
    """

    segments: pl.DataFrame
    clips: pl.DataFrame


def build(config: Mapping[str, Any], given: Given) -> Aligner:
    """The aligner that `config["type"]` names, with the other keys as its options.

    Raises:
        ConfigError: no such aligner, or an option that it does not have.
    """
    options = dict(config)
    member = ALIGNERS.member(options.pop("type", None))
    aligner: Aligner = member(member.options_type.from_dict(options), given)
    return aligner


def device_for(backbone: Mapping[str, str]) -> str:
    """Torch's name of where a recogniser runs; without one, torch is not asked."""
    if not backbone:
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def align_clips(rows: pl.DataFrame, aligner: Aligner, workers: int, done: Done) -> None:
    """Put the tiers of every clip into `done`.

    Args:
        rows: of a manifest.
        aligner: what finds the tiers.
        workers: threads.
        done: the results by `utt_id`; clips in it are finished.

    Raises:
        AudioError: a recording cannot be read; it is named.
        TableError: an aligner's span is none, or lies outside of the clip.
    """

    def one(row: dict[str, Any]) -> dict[str, Any]:
        own = ("utt_id", "path", "duration")
        columns = {name: str(value) for name, value in row.items() if name not in own}
        clip = Clip(row["utt_id"], row["path"], row["duration"], columns)
        return _checked(aligner.align(clip), clip).to_json()

    items = ((row["utt_id"], row) for row in rows.iter_rows(named=True))
    work_through(items, one, done, workers)


def _checked(aligned: Aligned, clip: Clip) -> Aligned:
    """The same, its times rounded; no aligner may invent time that a clip does not have."""
    spans = []
    for span in aligned.spans:
        # Durations in manifests are rounded, too.
        start, end = round(span.start, _DIGITS), round(min(span.end, clip.duration), _DIGITS)
        if not 0 <= start < end or span.end > clip.duration + 0.001:
            raise TableError(
                f"{clip.utt_id}: {span.tier} {span.label!r} from {span.start} to {span.end} s; "
                f"the clip has {clip.duration} s"
            )
        spans.append(span._replace(start=start, end=end))
    return Aligned(spans, aligned.source, aligned.confidence, aligned.in_silence, aligned.problem)


def gathered(rows: pl.DataFrame, done: Done) -> Alignments:
    """The tables of all clips, in the order of the manifest.

    Args:
        rows: of a manifest.
        done: what :func:`align_clips` found.
    """
    segments: list[tuple[Any, ...]] = []
    clips: list[dict[str, Any]] = []
    for utt_id in rows["utt_id"]:
        result = done[utt_id]
        segments += [(utt_id, *span) for span in result["spans"]]
        clips.append({"utt_id": utt_id, **result})
    return Alignments(
        pl.DataFrame(segments, schema=SEGMENT_COLUMNS, orient="row"),
        pl.DataFrame(clips, schema=CLIP_COLUMNS),
    )
