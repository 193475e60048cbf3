"""The mini corpus, which the workflow generates itself (`spoofscope.corpora.mini`)."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

import polars as pl

from spoofscope.corpora.base import Corpus
from spoofscope.corpora.cues import CUES
from spoofscope.errors import CorpusError
from spoofscope.options.corpora.mini import MiniOptions
from spoofscope.rows import read_header
from spoofscope.tables import SPLITS, read_table

_PROTOCOL_COLUMNS = ("utt_id", "file", "split", "label", "attack", "speaker")


class MiniCorpus(Corpus):
    """Reads `protocol.tsv`, `segments.tsv` and `attacks.tsv` of a generated folder.

    The key `options` of its entry in the study file is for the generator, not for this reader.
    """

    name: ClassVar[str] = "mini"
    conditions: ClassVar[tuple[str, ...]] = (
        *("gender", "language", "codec", "base_utt", "sentence", "protocol_line"),
    )
    declared = MiniOptions
    options: MiniOptions

    def rows(self) -> Iterable[Mapping[str, str]]:
        """The protocol's lines; columns beyond the trial columns become conditions."""
        protocol = read_table(
            self.need("protocol.tsv"), dict.fromkeys(_PROTOCOL_COLUMNS, pl.String())
        )
        traced = self._traced() if self.options.tracing else {}
        for row in protocol.iter_rows(named=True):
            file = row.pop("file")
            if not self.options.tracing:
                yield {**row, "path": str(self.root / file)}
            elif row["utt_id"] in traced:
                yield {**row, **traced[row["utt_id"]], "codec": "-"}

    def _traced(self) -> dict[str, dict[str, str]]:
        """Utterance to what the lists of source tracing say of it."""
        found = {}
        for split in SPLITS:
            table = read_header(self.need(f"tracing/{split}.csv"), ",")
            for number, line in table.records(("path",)):
                path = self.root / "tracing" / line["path"]
                found[path.stem] = {
                    "path": str(path),
                    "split": split,
                    "protocol_line": str(number),
                }
        return found

    def _segments_file(self) -> str:
        return "segments.tsv"

    def planted_cues(self) -> dict[str, frozenset[str]]:
        """The column `plants` of `attacks.tsv`: names of cues with commas between, or "-".

        Raises:
            CorpusError: a name that is no cue.
        """
        path = self.need("attacks.tsv")
        attacks = read_table(path, {"attack": pl.String(), "plants": pl.String()})
        planted = {
            attack: frozenset(cues.split(",") if cues != "-" else ())
            for attack, cues in attacks.select("attack", "plants").iter_rows()
        }
        unknown = sorted(frozenset().union(*planted.values()) - set(CUES))
        if unknown:
            raise CorpusError(f"{path}: {unknown[0]!r} is no cue; cues are {', '.join(CUES)}")
        return planted
