"""Any corpus whose labels are in one table."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from spoofscope.corpora.base import AUDIO_SUFFIXES, TRIAL_COLUMNS, Corpus
from spoofscope.errors import ConfigError, CorpusError

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".psv": "|"}
_BUILT_IN_DEFAULTS = {"split": "eval", "speaker": "-", "system": "unknown"}


class TableCorpus(Corpus):
    """One table, of any column names and vocabulary, with one row per utterance.

    Options:

    * `file` (required): the table, relative to the root.
    * `delimiter`: one character, or " " for any white space; by default from the suffix (.csv is a
      comma, .tsv a tab, .psv a bar).
    * `columns`: column of the table by manifest column; `path` and `label` are required. Further
      keys become conditions. Whole numbers, counted from 0, mean that the file has no header. By
      default the table's columns have the manifest's names.
    * `values`: by manifest column, what a value of the table means, such as
      `{label: {real: bonafide, fake: spoof}}`. Values that are not listed stay as they are.
    * `defaults`: values by manifest column where the table has no such column or an empty field;
      without them `split` is eval, `speaker` "-", `system` (of spoofs) unknown.
    * `path_format`: how a file name is made from the column `path`, such as `flac/{path}.flac`.
    * `audio_root`: the folder to which file names are relative; by default the root.

    Without a column for it, `utt_id` is the value of the column `path` without the suffix of an
    audio file, with "-" for "/". Bona fide rows get the system "-", whatever their field says.
    Line breaks and tabs inside of a quoted field become blanks.
    """

    name: ClassVar[str] = "table"
    defaults: ClassVar[Mapping[str, Any]] = {
        "file": None,
        "delimiter": None,
        "columns": None,
        "values": {},
        "defaults": {},
        "path_format": "{path}",
        "audio_root": None,
    }

    def __init__(self, root: Path, options: Mapping[str, Any], *, key: str = "<name>") -> None:
        super().__init__(root, options, key=key)
        where = f"corpora.{key}"
        if not isinstance(self.options["file"], str):
            raise ConfigError(f"{where}.file must name the table, relative to {root}")
        suffix = Path(self.options["file"]).suffix.lower()
        self._delimiter: str = self.options["delimiter"] or _DELIMITERS.get(suffix, "")
        if len(self._delimiter) != 1:
            raise ConfigError(
                f"{where}.delimiter must be one character, not {self._delimiter!r}; without it the "
                f"table's suffix must be one of {', '.join(_DELIMITERS)}"
            )
        columns = self.options["columns"]
        if columns is not None and not {"path", "label"} <= set(columns):
            raise ConfigError(f"{where}.columns must name the columns of `path` and `label`")
        self._positional = columns is not None and all(
            isinstance(column, int) for column in columns.values()
        )
        if columns is not None and not self._positional:
            wrong = [c for c in columns.values() if not isinstance(c, str)]
            if wrong:
                raise ConfigError(
                    f"{where}.columns: {wrong[0]!r}; columns are all names, or all whole numbers "
                    "from 0 for a table without header"
                )
        for name, values in self.options["values"].items():
            wrong_keys = [value for value in values if not isinstance(value, str)]
            if wrong_keys:
                raise ConfigError(
                    f"{where}.values.{name}: {wrong_keys[0]!r} is no text; in YAML, quote numbers "
                    "and the words true, false, yes, no, on and off"
                )
        try:
            self.options["path_format"].format(path="x")
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"{where}.path_format {self.options['path_format']!r} must hold {{path}} and no "
                f"other field in braces"
            ) from error

    def rows(self) -> Iterable[Mapping[str, str]]:
        """One row per line of the table."""
        table = self.need(self.options["file"])
        audio_root = Path(self.options["audio_root"] or self.root)
        values: Mapping[str, Mapping[str, str]] = self.options["values"]
        defaults = {**_BUILT_IN_DEFAULTS, **self.options["defaults"]}
        for number, fields in self._records(table):
            row: dict[str, str] = {}
            for name in dict.fromkeys([*TRIAL_COLUMNS, *fields, *defaults]):
                text = fields.get(name, "") or str(defaults.get(name, ""))
                row[name] = str(values.get(name, {}).get(text, text))
            for name in ("path", "label"):
                if not row[name]:
                    raise CorpusError(f"{table}: line {number}: column {name!r} is empty")
            if row["label"] not in ("bonafide", "spoof"):
                raise CorpusError(
                    f"{table}: line {number}: unknown label {row['label']!r}; say what it means "
                    f"in corpora.{self.key}.values.label, such as {{{row['label']!r}: spoof}}"
                )
            if row["split"] not in ("train", "dev", "eval"):
                raise CorpusError(
                    f"{table}: line {number}: unknown split {row['split']!r}; say what it means in "
                    f"corpora.{self.key}.values.split, such as {{{row['split']!r}: eval}}"
                )
            if row["label"] == "bonafide":
                row["system"] = "-"
            row["utt_id"] = row["utt_id"] or _id_of(Path(row["path"]))
            row["path"] = str(audio_root / self.options["path_format"].format(path=row["path"]))
            yield row

    def _records(self, table: Path) -> Iterator[tuple[int, dict[str, str]]]:
        """Line numbers and the mapped fields of every row."""
        lines = self._lines(table)
        width = 0
        if self._positional:
            columns: dict[str, int] = dict(self.options["columns"])
            width = max(columns.values()) + 1
        else:
            _, header = next(lines, (0, []))
            if not header:
                raise CorpusError(f"{table}: the table is empty, not even a header")
            names = self.options["columns"] or {name: name for name in header if name}
            for name, column in names.items():
                if column not in header:
                    raise CorpusError(
                        f"{table}: line 1: no column {column!r} for {name!r} "
                        f"(corpora.{self.key}.columns); the header has {', '.join(header)}"
                    )
                if header.count(column) > 1:
                    raise CorpusError(
                        f"{table}: line 1: {header.count(column)} columns are called {column!r}; "
                        f"rename them, or leave them out of corpora.{self.key}.columns"
                    )
            for name in ("path", "label"):
                if name not in names:
                    raise CorpusError(
                        f"{table}: line 1: no column {name!r}; say which it is in "
                        f"corpora.{self.key}.columns; the header has {', '.join(header)}"
                    )
            columns = {name: header.index(column) for name, column in names.items()}
            width = len(header)
        for number, fields in lines:
            if len(fields) != width if not self._positional else len(fields) < width:
                raise CorpusError(
                    f"{table}: line {number}: {len(fields)} fields where {width} are needed"
                )
            yield number, {name: _one_line(fields[index]) for name, index in columns.items()}

    def _lines(self, table: Path) -> Iterator[tuple[int, list[str]]]:
        try:
            with open(table, encoding="utf-8-sig", newline="") as stream:
                if self._delimiter == " ":
                    for number, line in enumerate(stream, start=1):
                        if line.strip():
                            yield number, line.split()
                    return
                # Only comma-separated files quote; elsewhere a quote is part of a transcript.
                if self._delimiter == ",":
                    reader = csv.reader(stream)
                else:
                    reader = csv.reader(stream, delimiter=self._delimiter, quoting=csv.QUOTE_NONE)
                for fields in reader:
                    if fields:
                        yield reader.line_num, fields
        except (UnicodeDecodeError, csv.Error) as error:
            raise CorpusError(f"{table}: cannot be read as a table: {error}") from error


def _id_of(path: Path) -> str:
    if path.suffix.lower() in AUDIO_SUFFIXES:
        path = path.with_suffix("")
    return "-".join(path.relative_to(path.anchor).parts)


def _one_line(field: str) -> str:
    return re.sub(r"[\t\r\n]+", " ", field).strip()
