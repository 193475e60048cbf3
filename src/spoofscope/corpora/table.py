"""Any corpus whose labels are in one table."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from spoofscope.audio import has_suffix
from spoofscope.corpora.base import TRIAL_COLUMNS, Corpus
from spoofscope.errors import ConfigError, CorpusError
from spoofscope.names import RENAMED_COLUMNS, check_attack
from spoofscope.rows import read_header, rows
from spoofscope.tables import LABELS, SPLITS

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".psv": "|"}
_VOCABULARIES = {"label": LABELS, "split": SPLITS}
_BUILT_IN_DEFAULTS = {"split": "eval", "speaker": "-", "attack": "unknown"}


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
      without them `split` is eval, `speaker` "-", `attack` (of spoofs) unknown.
    * `path_format`: how a file name is made from the column `path`, such as `flac/{path}.flac`.
    * `audio_root`: the folder to which file names are relative; by default the root.

    Without a column for it, `utt_id` is the value of the column `path` without the suffix of an
    audio file, with "-" for "/". Bona fide rows get the attack "-", whatever their field says.
    Fields are quoted as in CSV where a comma or a semicolon is between them; elsewhere a quotation
    mark is a letter. Blanks around a field and lines without anything do not count; line breaks and
    tabs inside of a condition become blanks.
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
        if len(self._delimiter) != 1 or self._delimiter in '"\r\n':
            raise ConfigError(
                f"{where}.delimiter must be one character, and neither a quotation mark nor a line "
                f"end, not {self._delimiter!r}; without it the table's suffix must be one of "
                f"{', '.join(_DELIMITERS)}"
            )
        columns = self.options["columns"]
        if columns is not None and not {"path", "label"} <= set(columns):
            raise ConfigError(f"{where}.columns must name the columns of `path` and `label`")
        self._positional = columns is not None and all(
            type(column) is int for column in columns.values()
        )
        if self._positional and min(columns.values()) < 0:
            raise ConfigError(f"{where}.columns: whole numbers are counted from 0, to the right")
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
        path_format = self.options["path_format"]
        if "{path}" not in path_format or re.search(r"[{}]", path_format.replace("{path}", "")):
            raise ConfigError(
                f"{where}.path_format {path_format!r} must hold {{path}} and no other field in "
                "braces"
            )

    def rows(self) -> Iterable[Mapping[str, str]]:
        """One row per line of the table."""
        table = self.need(self.options["file"])
        audio_root = Path(self.options["audio_root"] or self.root)
        values: Mapping[str, Mapping[str, str]] = self.options["values"]
        defaults = {
            name: str(value)
            for name, value in {**_BUILT_IN_DEFAULTS, **self.options["defaults"]}.items()
        }
        for number, fields in self._records(table):
            where = f"{table}: line {number}"
            row: dict[str, str] = {}
            for name in (*TRIAL_COLUMNS, *fields, *defaults):
                text = fields.get(name) or defaults.get(name, "")
                row[name] = str(values[name].get(text, text)) if name in values else text
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
            row["utt_id"] = row["utt_id"] or _id_of(Path(row["path"]))
            row["path"] = str(audio_root / self._file_name(row["path"]))
            yield row

    def _file_name(self, path: str) -> str:
        path_format: str = self.options["path_format"]
        return path_format.replace("{path}", path)

    def _records(self, table: Path) -> Iterator[tuple[int, dict[str, str]]]:
        """Line numbers and the mapped fields of every row."""
        if self._positional:
            columns: dict[str, int] = dict(self.options["columns"])
            records = rows(table, self._delimiter)
        else:
            header, records = read_header(table, self._delimiter)
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
        names = self.options["columns"] or {name: name for name in header if name}
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


def _id_of(path: Path) -> str:
    if has_suffix(path):
        path = path.with_suffix("")
    return "-".join(path.relative_to(path.anchor).parts)
