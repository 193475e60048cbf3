"""Lists of source verification that come with a corpus: which clips enrol an attack, and trials."""

from typing import NamedTuple

import polars as pl

TARGETS = ("yes", "no")
"""Of a column of `SourceLists.tests`: whether the clip is of the claimed source."""


class SourceLists(NamedTuple):
    """What the authors of a corpus list for source verification.

    where: the lists, for messages. references: columns attack and utt_id, a row per clip that
    enrols an attack. tests: claimed (an enrolled attack) and utt_id, a row per trial, and for every
    level of a source that the lists judge a column of its name, one of `TARGETS`: whether the clip
    is of the same source at that level. All strings.
    """

    where: str
    references: pl.DataFrame
    tests: pl.DataFrame
