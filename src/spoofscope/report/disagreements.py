"""The report's part on clips that one system judges right and another wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.disagreements import NO_AUDIO
from spoofscope.display import DisplayNames
from spoofscope.errors import AudioError
from spoofscope.report.audio_player import SECONDS, Clip, audio_players
from spoofscope.summaries.disagreements import read_counts
from spoofscope.tables import read_table

_LISTED: dict[str, pl.DataType] = {
    **dict.fromkeys(("utt_id", "label", "attack", "audio"), pl.String()),
    **dict.fromkeys(("score_right", "score_wrong"), pl.Float64()),
    **dict.fromkeys(("threshold_right", "threshold_wrong"), pl.Float64()),
}

MOST_PLAYED = 10
"""Clips per list that the page plays; the page has to stay one file that can be sent."""


def disagreement_sections(
    entries: Sequence[Mapping[str, Any]], people: DisplayNames
) -> list[dict[str, Any]]:
    """For each entry its counts, and players for its first exported clips.

    Args:
        entries: name, right and wrong (id, seed, name), corpus, split, list (of its clips) and
            counts (a table) of each.
        people: names of attacks for people.

    Returns:
        The entries with `counts` (rows of the table), `listed` (number of clips), `exported`
        (number of these that are audio files), `players` (HTML) and `seconds` (length that a player
        plays).

    Raises:
        TableError: a table is damaged. AudioError: an exported clip is missing.
    """
    sections = []
    for entry in entries:
        listed = read_table(entry["list"], _LISTED)
        exported = listed.filter(pl.col("audio") != NO_AUDIO)
        clips = [
            Clip(row["audio"], _caption(i, row, entry, people))
            for i, row in enumerate(exported.head(MOST_PLAYED).iter_rows(named=True), start=1)
        ]
        try:
            players = audio_players(clips)
        except AudioError as error:
            raise AudioError(
                f"{error}; delete {entry['list']}, and the next run exports its clips again"
            ) from error
        sections.append(
            {
                **entry,
                "counts": list(read_counts(entry["counts"]).values()),
                "listed": listed.height,
                "exported": exported.height,
                "players": players,
                "seconds": SECONDS,
            }
        )
    return sections


def _caption(
    number: int, row: Mapping[str, Any], entry: Mapping[str, Any], people: DisplayNames
) -> str:
    what = people.attack(row["attack"] if row["label"] == "spoof" else row["label"])
    judged = ", ".join(
        f"{entry[role][2]} {row[f'score_{role}']:+.3g} (threshold {row[f'threshold_{role}']:+.3g})"
        for role in ("right", "wrong")
    )
    return f"{number}. {what}: {judged}; {row['utt_id']}"
