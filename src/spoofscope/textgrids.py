"""TextGrid files of Praat: their interval tiers, in the long and in the short form.

Both forms are the same sequence of numbers, quoted texts and flags; the long form has names of
these values between them, which Praat does not read either. Of a tier of points only the name is
read, because points have no duration.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from spoofscope.errors import ConfigError, TableError
from spoofscope.files import no_file, paths_below
from spoofscope.recordings import Recording, look_at, portable_paths

SUFFIX = ".TextGrid"

INTERVAL_COLUMNS: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "start": pl.Float64(),
    "end": pl.Float64(),
    "tier": pl.String(),
}
"""Of a table of segments that somebody brings; a further one is `label`."""

# A text, a comment, or a word: a value, or a name that stands before one.
_TOKEN = re.compile(r'\s*(?:"(?P<text>(?:[^"]|"")*)"|(?P<comment>![^\n]*)|(?P<word>[^\s"]\S*))')
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_FLAG = re.compile(r"<\w+>")


class Interval(NamedTuple):
    """An interval of a tier: start and end in s, and its text."""

    start: float
    end: float
    text: str


class Tier(NamedTuple):
    """A tier of intervals, in order of time."""

    name: str
    intervals: Sequence[Interval]


def read_textgrid(path: str | Path) -> list[Tier]:
    """The interval tiers of a TextGrid in UTF-8 or UTF-16.

    Raises:
        TableError: there is no such file, it is none or in another encoding, or it is cut; an
            interval ends before it starts, or begins before the one before it ends; there are more
            tiers or intervals than it says.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise TableError(no_file(path, "TextGrid")) from None
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {error.strerror}") from error
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise TableError(
            f"{path}: the text is neither UTF-8 nor UTF-16; in Praat set Text writing preferences "
            "to UTF-8 and save it anew"
        ) from None
    return _Reader(path, text).tiers()


def list_textgrids(folder: str) -> tuple[pl.DataFrame, dict[str, Recording]]:
    """All intervals of all TextGrids below a folder, and what was read.

    Returns:
        `INTERVAL_COLUMNS` and label: of each interval its file (path in the folder without suffix)
        as `utt_id`; sorted by file. And what was read, by the path in the folder.

    Raises:
        ConfigError: there is none.
        TableError: as `read_textgrid`.
    """
    paths = sorted(found_in(folder))
    if not paths:
        raise ConfigError(f"{folder} holds no file {SUFFIX}; the key `path` of an aligner names it")
    rows: list[tuple[str, float, float, str, str]] = []
    read = {}
    for path in paths:
        file = os.path.relpath(path, folder)
        read[file] = look_at(path)
        name = file.removesuffix(SUFFIX)
        for tier in read_textgrid(path):
            # A table has a line per row.
            rows += [
                (name, start, end, tier.name, " ".join(text.split()))
                for start, end, text in tier.intervals
            ]
    schema = {**INTERVAL_COLUMNS, "label": pl.String()}
    return pl.DataFrame(rows, schema=schema, orient="row"), read


def found_in(folder: str) -> list[str]:
    """All TextGrids below a folder, as paths of a list of recordings, in any order."""
    paths = (path for path in paths_below(folder) if path.endswith(SUFFIX))
    return portable_paths(paths, folder)


class _Reader:
    """Takes the values of a TextGrid one after the other."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._values = _values(text)

    def tiers(self) -> list[Tier]:
        if not self._text("the type of the file").startswith("ooTextFile"):
            raise self._error("this is no text file of Praat (ooTextFile)")
        kind = self._text("the class of the object")
        if kind != "TextGrid":
            raise self._error(f"it holds a {kind}, not a TextGrid")
        self._number("the start")
        self._number("the end")
        if self._flag() != "<exists>":
            return []
        tiers = []
        for i in range(1, self._count("the number of tiers") + 1):
            kind, name = self._text(f"the class of tier {i}"), self._text(f"the name of tier {i}")
            self._number(f"the start of tier {i}")
            self._number(f"the end of tier {i}")
            count = self._count(f"the size of tier {i}")
            if kind == "IntervalTier":
                tiers.append(Tier(name, self._intervals(name, count)))
            elif kind == "TextTier":
                for _ in range(count):
                    self._number("the time of a point")
                    self._text("the text of a point")
            else:
                raise self._error(f"tier {i} is a {kind}, which no TextGrid has")
        left = next(self._values, None)
        if left is not None:
            raise self._error(
                f"after all that it says it has comes {_shown(*left)}; is the number of tiers, or "
                "the size of the last one, too small?"
            )
        return tiers

    def _intervals(self, tier: str, count: int) -> list[Interval]:
        found: list[Interval] = []
        for i in range(1, count + 1):
            where = f"interval {i} of the tier {tier!r}"
            interval = Interval(
                self._number(f"the start of {where}"),
                self._number(f"the end of {where}"),
                self._text(f"the text of {where}"),
            )
            if not 0 <= interval.start < interval.end:
                raise self._error(f"{where} is from {interval.start} to {interval.end} s")
            if found and interval.start < found[-1].end - 1e-6:
                raise self._error(f"{where} begins before the one before it ends")
            found.append(interval)
        return found

    def _text(self, what: str) -> str:
        kind, value = next(self._values, ("end", ""))
        if kind != "text":
            raise self._error(f"expected {what}, a text in quotes, found {_shown(kind, value)}")
        return value

    def _number(self, what: str) -> float:
        kind, value = next(self._values, ("end", ""))
        if kind != "number":
            raise self._error(f"expected {what}, a number, found {_shown(kind, value)}")
        return float(value)

    def _count(self, what: str) -> int:
        number = self._number(what)
        if not number.is_integer() or number < 0:
            raise self._error(f"{what} is {number:g}")
        return int(number)

    def _flag(self) -> str:
        kind, value = next(self._values, ("end", ""))
        if kind != "flag":
            raise self._error(f"expected <exists>, found {_shown(kind, value)}")
        return value

    def _error(self, message: str) -> TableError:
        return TableError(f"{self._path}: {message}")


def _shown(kind: str, value: str) -> str:
    return "the end of the file" if kind == "end" else f"the {kind} {value!r}"


def _values(text: str) -> Iterator[tuple[str, str]]:
    """Kind (text, number or flag) and content of all values."""
    place = 0
    while found := _TOKEN.match(text, place):
        place = found.end()
        word = found["word"]
        if found["text"] is not None:
            yield "text", found["text"].replace('""', '"')
        elif word is not None and _NUMBER.fullmatch(word):
            yield "number", word
        elif word is not None and _FLAG.fullmatch(word):
            yield "flag", word
