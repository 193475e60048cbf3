"""Any corpus whose labels are in one table."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from spoofscope.errors import ConfigError
from spoofscope.names import RENAMED_COLUMNS
from spoofscope.options.corpora.base import StoredOptions
from spoofscope.options.declared import option, required

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".psv": "|"}
_Meanings = Annotated[dict[str, Any], {"propertyNames": {"type": "string"}}]


@dataclass(frozen=True, kw_only=True)
class TableOptions(StoredOptions):
    """Any corpus whose labels are in one table."""

    file: str = required()
    """The table, relative to the folder."""
    delimiter: str | None = option(None)
    """Between fields; one character, a blank for any white space; null: by the suffix .csv, .tsv or
    .psv."""
    columns: dict[str, str | int] | None = option(None)
    """Manifest column to column of the table: its name, or its number in a table without a header;
    default: the names are the manifest's."""
    values: dict[str, _Meanings] = option(dict)
    """Per manifest column: value in the table to value in the manifest."""
    defaults: dict[str, Any] = option(dict)
    """Per manifest column: value where the table has none."""
    path_format: str = option("{path}")
    """How a file name is made from the column path, such as flac/{path}.flac."""
    audio_root: str | None = option(None)
    """Folder to which file names are relative; null: the corpus folder."""

    @property
    def separator(self) -> str:
        """What stands between fields; "" where neither `delimiter` nor the suffix says it."""
        return self.delimiter or _DELIMITERS.get(Path(self.file).suffix.lower(), "")

    @property
    def numbers(self) -> dict[str, int]:
        """The columns of a table without header."""
        columns = self.columns or {}
        return {name: column for name, column in columns.items() if isinstance(column, int)}

    @property
    def names(self) -> dict[str, str]:
        """The columns of a table with a header, as far as they are named."""
        columns = self.columns or {}
        return {name: column for name, column in columns.items() if isinstance(column, str)}

    def check(self, place: str) -> None:
        """The delimiter, the columns and their names, texts for values, and the form of paths."""
        super().check(place)
        if len(self.separator) != 1 or self.separator in '"\r\n':
            raise ConfigError(
                f"{place}.delimiter: it must be one character, and neither a quotation mark nor a "
                f"line end, not {self.separator!r}; without it the table's suffix must be one of "
                f"{', '.join(_DELIMITERS)}"
            )
        for option_name in ("columns", "values", "defaults"):
            for former in RENAMED_COLUMNS.keys() & (getattr(self, option_name) or {}).keys():
                raise ConfigError(
                    f"{place}.{option_name}.{former}: the column {former!r} of manifests is called "
                    f"{RENAMED_COLUMNS[former]!r} now; rename the key"
                )
        self._check_columns(f"{place}.columns")
        for name, values in self.values.items():
            for value in values:
                if not isinstance(value, str):
                    raise ConfigError(
                        f"{place}.values.{name}: {value!r} is no text; in YAML, quote numbers and "
                        "the words true, false, yes, no, on and off"
                    )
        form = self.path_format
        if "{path}" not in form or re.search(r"[{}]", form.replace("{path}", "")):
            raise ConfigError(
                f"{place}.path_format: {form!r} must hold {{path}} and no other field in braces"
            )

    def _check_columns(self, place: str) -> None:
        if self.columns is None:
            return
        if not {"path", "label"} <= self.columns.keys():
            raise ConfigError(f"{place}: the columns of `path` and `label` must be named")
        numbers = list(self.numbers.values())
        if numbers and self.names:
            raise ConfigError(
                f"{place}: {numbers[0]!r}; columns are all names, or all whole numbers from 0 for "
                "a table without header"
            )
        if any(number < 0 for number in numbers):
            raise ConfigError(f"{place}: whole numbers are counted from 0, to the right")
