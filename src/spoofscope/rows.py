"""Rows of text files, whoever wrote them: tables, protocols and score files, ours and others'.

Every row of a file is read, or the file is refused with the line and the way out; nothing is
skipped but empty lines, and nothing is guessed. Files are UTF-8 text (a byte order mark is taken
off) whose lines end as on Unix or Windows. A path is the path of one file: nothing in it is a
pattern or an address.
"""

import csv
import math
import re
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from spoofscope.errors import TableError
from spoofscope.files import no_file
from spoofscope.names import RENAMED_COLUMNS

NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
"""A number as text: not all that Python takes, which reads 1_000, digits of any script and inf."""

Source = str | Path | zipfile.Path
"""A file, or a member of a zip archive that is read without unpacking it."""

_NUMBER = re.compile(NUMBER)
# Files that are no text begin with these bytes.
_OTHERS = (
    (b"\x1f\x8b", "compressed with gzip; unpack it (gunzip)"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet; unpack it, or save it as text (CSV or TSV)"),
    (b"BZh91AY&", "compressed with bzip2; unpack it (bunzip2)"),
    (b"\xfd7zXZ", "compressed with xz; unpack it (unxz)"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd; unpack it (unzstd)"),
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
)
# As spreadsheets write tables; elsewhere a quotation mark is a letter, such as in a transcript.
_QUOTING = (",", ";")


class Table(NamedTuple):
    """A table with a header.

    header: names of the columns, without blanks around them; "" for a column without a name. rows:
    line number and fields, as many as the header has; they are read, and may be refused, one by
    one.
    """

    header: list[str]
    rows: Iterator[tuple[int, list[str]]]

    def records(self, columns: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
        """Line number and texts by column of every row, of columns that the header has."""
        places = {name: self.header.index(name) for name in columns}
        for number, fields in self.rows:
            yield number, {name: fields[place] for name, place in places.items()}


def finite_number(text: str) -> float | None:
    """The finite number that a text is, or None; blanks around it are allowed."""
    text = text.strip(" \t")
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    return value if math.isfinite(value) else None


def lines(path: Source) -> Iterator[tuple[int, str]]:
    """All lines of a text file with their numbers from 1, without line ends; empty ones, too.

    Raises:
        TableError: there is no such file, or it cannot be read; it is compressed or UTF-16; a line
            is not UTF-8, or holds a NUL or a carriage return that ends no line. Raised while the
            lines are read, with file and line.
    """
    path = path if isinstance(path, zipfile.Path) else Path(path)
    try:
        if not path.is_file():
            raise TableError(no_file(Path(str(path)), "table"))
        with path.open("rb") as stream:
            start = stream.read(8)
            for magic, kind in _OTHERS:
                if start.startswith(magic):
                    raise TableError(f"{path}: this is no UTF-8 text but {kind}")
            stream.seek(0)
            for number, line in enumerate(stream, start=1):
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise TableError(
                        f"{path}: line {number}: not UTF-8 text: {error.reason}; save the table as "
                        "UTF-8"
                    ) from error
                text = text.removesuffix("\n").removesuffix("\r")
                if "\0" in text:
                    raise TableError(
                        f"{path}: line {number}: it holds a NUL; the file is damaged, or no UTF-8 "
                        "text"
                    )
                if "\r" in text:
                    raise TableError(
                        f"{path}: line {number}: a carriage return that ends no line; save the "
                        "table with line ends of Unix or Windows"
                    )
                yield number, text
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {error.strerror}") from error


def rows(path: Source, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The fields of every row, with the number of its first line; empty lines are no rows.

    Args:
        path: the file.
        delimiter: between fields. " " stands for any number of blanks and tabs. With a comma or a
            semicolon, fields may be quoted as in CSV, also over several lines. Where quotation
            marks cannot enclose fields, they are letters, if the line then has as many fields as
            the first row.

    Raises:
        TableError: as :func:`lines`; a quoted field that goes on over what may be rows, or
            quotation marks that neither enclose fields nor can be letters.
    """
    if delimiter in _QUOTING:
        yield from _quoted_rows(path, delimiter)
        return
    for number, text in lines(path):
        if delimiter != " ":
            if text:
                yield number, text.split(delimiter)
        # Not split(): other letters that count as white space may be part of a name.
        elif fields := text.replace("\t", " ").strip(" "):
            yield number, [field for field in fields.split(" ") if field]


def _quoted_rows(path: Source, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    numbered = lines(path)
    ahead: deque[tuple[int, str]] = deque()
    width = 0
    while line := ahead.popleft() if ahead else next(numbered, None):
        number, text = line
        if not text:
            continue
        if '"' not in text:
            fields = text.split(delimiter)
        else:
            taken: list[tuple[int, str]] = []
            longest = max(map(len, text.split('"')))
            if longest > csv.field_size_limit():
                raise TableError(
                    f"{path}: line {number}: a quoted field of more than "
                    f"{csv.field_size_limit():,} characters; no column of a table needs that"
                )
            quoted = _quoted_fields(text, delimiter, chain(_drained(ahead), numbered), taken)
            # A row has at least as many delimiters as it needs, whatever is quoted in it. So what
            # a field goes on over may be rows.
            possible = [line for line, more in taken if more.count(delimiter) + 1 >= width]
            if quoted is not None and possible:
                raise TableError(
                    f"{path}: line {number}: a quoted field goes on over line {possible[0]}, which "
                    "looks like a row of its own; take the stray quotation marks out, or the line "
                    "breaks in the field"
                )
            if quoted is None:
                ahead.extendleft(reversed(taken))
                quoted = _unquoted_fields(text, delimiter, width, f"{path}: line {number}")
            fields = quoted
        width = width or len(fields)
        yield number, fields


def _drained(ahead: deque[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    while ahead:
        yield ahead.popleft()


def _quoted_fields(
    text: str,
    delimiter: str,
    following: Iterable[tuple[int, str]],
    taken: list[tuple[int, str]],
) -> list[str] | None:
    """The fields of a line as CSV; None where its quotation marks do not enclose whole fields.

    Lines that a field goes on over are taken from `following`, and added to `taken`.
    """

    def feed() -> Iterator[str]:
        yield f"{text}\n"
        for line in following:
            taken.append(line)
            yield f"{line[1]}\n"

    try:
        return next(csv.reader(feed(), delimiter=delimiter, strict=True, skipinitialspace=True))
    except csv.Error:
        return None


def _unquoted_fields(text: str, delimiter: str, width: int, where: str) -> list[str]:
    """The fields of a line whose quotation marks are letters."""
    fields = text.split(delimiter)
    # Blanks around a quoted field: its quotation marks are meant as such.
    enclosed = any(
        len(field) > 1 and field[0] == field[-1] == '"' for field in map(str.strip, fields)
    )
    if len(fields) != width or enclosed:
        raise TableError(
            f"{where}: its quotation marks do not enclose whole fields, and as letters they leave "
            f"{len(fields)} fields; in CSV a field with quotation marks or delimiters is enclosed "
            "in quotation marks, without blanks around them, and those within it are written twice"
        )
    return fields


def read_header(path: Source, delimiter: str) -> Table:
    """The header of a table, and its rows still to be read.

    Args:
        path: the file.
        delimiter: as of :func:`rows`.

    Raises:
        TableError: as :func:`rows`; the table is empty, a row has another number of fields than
            the header.
    """
    numbered = rows(path, delimiter)
    _, fields = next(numbered, (0, []))
    if not fields:
        raise TableError(f"{path}: the table is empty, not even a header")
    header = [name.strip() for name in fields]

    def checked() -> Iterator[tuple[int, list[str]]]:
        for number, fields in numbered:
            if len(fields) != len(header):
                raise TableError(
                    f"{path}: line {number}: {len(fields)} fields where the header has "
                    f"{len(header)}"
                )
            yield number, fields

    return Table(header, checked())


def check_columns(path: Source, header: Sequence[str], columns: Iterable[str]) -> None:
    """Raise TableError where a header lacks one of the columns, or has it twice."""
    for name in columns:
        if name not in header:
            former = next((old for old, new in RENAMED_COLUMNS.items() if new == name), None)
            if former in header:
                raise TableError(
                    f"{path}: line 1: the column {former!r} is called {name!r} now; rename it"
                )
            raise TableError(
                f"{path}: line 1: column {name!r} is missing; the header has "
                f"{', '.join(filter(None, header)) or 'no names'}"
            )
        if header.count(name) > 1:
            raise TableError(f"{path}: line 1: column {name!r} is there twice")
