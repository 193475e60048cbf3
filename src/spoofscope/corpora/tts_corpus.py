"""Human recordings and speech of synthesizers, which the workflow generates (`corpora.tts`)."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

import polars as pl

from spoofscope.corpora.base import TRIAL_COLUMNS, Corpus
from spoofscope.options.corpora.tts import TtsOptions
from spoofscope.tables import read_table

_CONDITIONS = ("engine", "engine_version", "voice", "rate", "sentence", "source")
_PROTOCOL_COLUMNS = ("file", *(name for name in TRIAL_COLUMNS if name != "path"), *_CONDITIONS)


class TtsCorpus(Corpus):
    """Reads `protocol.tsv` and `segments.tsv` of a generated folder.

    Most options of its entry in the study file are for the generator.
    """

    name: ClassVar[str] = "tts"
    conditions: ClassVar[tuple[str, ...]] = _CONDITIONS
    declared = TtsOptions
    options: TtsOptions

    def rows(self) -> Iterable[Mapping[str, str]]:
        """The protocol's lines."""
        protocol = read_table(
            self.need("protocol.tsv"), dict.fromkeys(_PROTOCOL_COLUMNS, pl.String())
        )
        for row in protocol.iter_rows(named=True):
            file = row.pop("file")
            yield {**row, "path": str(self.root / file)}

    def _segments_file(self) -> str:
        return "segments.tsv"
