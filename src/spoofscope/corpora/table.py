"""Any corpus whose labels are in one table."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from spoofscope.audio import has_suffix
from spoofscope.corpora.base import TRIAL_COLUMNS, Corpus
from spoofscope.errors import CorpusError
from spoofscope.names import RENAMED_COLUMNS, check_attack
from spoofscope.options.corpora.table import TableOptions
from spoofscope.rows import read_header, rows
from spoofscope.tables import LABELS, SPLITS

_VOCABULARIES = {"label": LABELS, "split": SPLITS}
_BUILT_IN_DEFAULTS = {"split": "eval", "speaker": "-", "attack": "unknown"}


class TableCorpus(Corpus):
    """One table, of any column names and vocabulary, with one row per utterance.

    Columns beyond those of every manifest become conditions. Without a column for it, or where a
    field is empty, `split` is eval, `speaker` "-", `attack` (of spoofs) unknown; `defaults` says it
    otherwise. Values that `values` does not list stay as they are.

    Without a column for it, `utt_id` is the value of the column `path` without the suffix of an
    audio file, with "-" for "/". Bona fide rows get the attack "-", whatever their field says.
    Fields are quoted as in CSV where a comma or a semicolon is between them; elsewhere a quotation
    mark is a letter. Blanks around a field and lines without anything do not count; line breaks and
    tabs inside of a condition become blanks.
    """

    name: ClassVar[str] = "table"
    declared = TableOptions
    options: TableOptions

    def rows(self) -> Iterable[Mapping[str, str]]:
        """One row per line of the table."""
        table = self.need(self.options.file)
        audio_root = Path(self.options.audio_root or self.root)
        values = self.options.values
        defaults = {
            name: str(value)
            for name, value in {**_BUILT_IN_DEFAULTS, **self.options.defaults}.items()
        }
        names: list[str] = []
        for number, fields in self._records(table):
            where = f"{table}: line {number}"
            # The same of every line.
            names = names or list(dict.fromkeys((*TRIAL_COLUMNS, *fields, *defaults)))
            row = {name: fields.get(name) or defaults.get(name, "") for name in names}
            for name in values.keys() & row.keys():
                row[name] = str(values[name].get(row[name], row[name]))
            for name in ("path", "label"):
                if not row[name]:
                    raise CorpusError(f"{where}: column {name!r} is empty")
            for name, of_column in _VOCABULARIES.items():
                if row[name] not in of_column:
                    raise CorpusError(
                        f"{where}: unknown {name} {row[name]!r}; say what it means in "
                        f"corpora.{self.key}.values.{name}, such as "
                        f"{{{row[name]!r}: {of_column[-1]}}}"
                    )
            if row["label"] == "bonafide":
                row["attack"] = "-"
            check_attack(row["attack"], row["label"], where)
            row["utt_id"] = row["utt_id"] or id_of(row["path"])
            row["path"] = joined(
                audio_root, self.options.path_format.replace("{path}", row["path"])
            )
            yield row

    def _records(self, table: Path) -> Iterator[tuple[int, dict[str, str]]]:
        """Line numbers and the mapped fields of every row."""
        columns = self.options.numbers
        if columns:
            records = rows(table, self.options.separator)
        else:
            header, records = read_header(table, self.options.separator)
            columns = self._columns(table, header)
        width = max(columns.values()) + 1
        for number, fields in records:
            if len(fields) < width:
                raise CorpusError(
                    f"{table}: line {number}: {len(fields)} fields where {width} are needed"
                )
            record = {name: fields[index].strip() for name, index in columns.items()}
            for name, text in record.items():
                if "\t" not in text and "\n" not in text:
                    continue
                if name in TRIAL_COLUMNS:
                    raise CorpusError(
                        f"{table}: line {number}: column {name!r} holds a tab or a line break: "
                        f"{text!r}"
                    )
                record[name] = re.sub(r"[\t\n]+", " ", text)
            yield number, record

    def _columns(self, table: Path, header: list[str]) -> dict[str, int]:
        """Which column of the table each column of the manifest is."""
        names = self.options.names or {name: name for name in header if name}
        shown = ", ".join(filter(None, header))
        for name, column in names.items():
            if name in RENAMED_COLUMNS:
                raise CorpusError(
                    f"{table}: line 1: the column {name!r} is called {RENAMED_COLUMNS[name]!r} "
                    f"now; rename it, or say in corpora.{self.key}.columns which columns are read"
                )
            if column.strip() not in header:
                raise CorpusError(
                    f"{table}: line 1: no column {column!r} for {name!r} "
                    f"(corpora.{self.key}.columns); the header has {shown}"
                )
            if header.count(column.strip()) > 1:
                raise CorpusError(
                    f"{table}: line 1: {header.count(column.strip())} columns are called "
                    f"{column!r}; rename them, or leave them out of corpora.{self.key}.columns"
                )
        for name in ("path", "label"):
            if name not in names:
                raise CorpusError(
                    f"{table}: line 1: no column {name!r}; say which it is in "
                    f"corpora.{self.key}.columns; the header has {shown}"
                )
        return {name: header.index(column.strip()) for name, column in names.items()}


# Relative paths that `pathlib` leaves as they are; it takes as long as all else of a long table.
_PLAIN = re.compile(r"(?!\.(?:/|$))[^/]+(?:/(?!\.(?:/|$))[^/]+)*")


def id_of(text: str) -> str:
    """The id of a clip: its path without the suffix of an audio file, with "-" for "/"."""
    if _PLAIN.fullmatch(text):
        stem = os.path.splitext(text)[0] if has_suffix(text) else text
        return stem.replace("/", "-")
    path = Path(text)
    if has_suffix(path):
        path = path.with_suffix("")
    return "-".join(path.relative_to(path.anchor).parts)


def joined(folder: Path, text: str) -> str:
    """The path of a clip below a folder, as pathlib writes it."""
    if _PLAIN.fullmatch(text) and folder.parts:
        return f"{folder}/{text}" if folder.name else f"{folder}{text}"
    return str(folder / text)
