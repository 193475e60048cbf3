r"""Tables in LaTeX that fit: into a column of a paper, across its page, or in parts.

How wide a table becomes is reckoned with the letters of Computer Modern, which are among the wide
ones. What is too wide gets smaller letters, down to 7 pt of 10; then its long texts break into
lines; then it is printed in parts that repeat its first columns. What is too high for a page is a
`longtable`, which no article in two columns can hold: it makes itself a page of one column there.
"""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

COLUMN, PAGE = 218.0, 342.0
"""Points that a table may be wide in one of two columns, and across a page, of the class `article`
on A4 or letter paper, whichever is less; a little is kept back."""

_HEIGHT = 510.0
# Of a caption or a cell that wraps, lines are not filled to their ends.
_FILLED = 0.9
# A text that is broken into lines keeps so many points, and a part of a table so much for columns
# that are not repeated.
_LEAST_TEXT, _LEAST_SHARE = 60.0, 0.3


class _Size(NamedTuple):
    """Letters: their command, their width (smaller letters are wider for their height), points on
    either side of a column, and points from line to line."""

    command: str
    scale: float
    gap: float
    line: float


_NORMAL = _Size("", 1.0, 6, 12)
_SIZES = (
    _NORMAL,
    _Size("\\small", 0.925, 5, 11),
    _Size("\\footnotesize", 0.85, 4, 9.5),
    _Size("\\scriptsize", 0.8, 3, 8),
)
_SMALLEST = _SIZES[-1]


@dataclass(frozen=True)
class Column:
    """A column: its heading and cells, in LaTeX, and whether they are numbers."""

    heading: str
    cells: Sequence[str]
    number: bool

    @cached_property
    def natural(self) -> float:
        """Points of its widest cell, or of the longest word of its heading."""
        return max((_points(word) for word in (*self.heading.split(" "), *self.cells)), default=0)

    @cached_property
    def least(self) -> float:
        """Points that it needs where its texts break into lines."""
        if self.number:
            return self.natural
        words = (word for text in (self.heading, *self.cells) for word in _words(text))
        return max(map(_points, words), default=0.0)


class _Part(NamedTuple):
    """Columns side by side, the points of each and whether its texts break into lines."""

    columns: Sequence[Column]
    widths: Sequence[float]
    broken: Sequence[bool]


def table_of(columns: Sequence[Column], caption: str, label: str) -> str:
    """A table with booktabs.

    Args:
        columns: at least one.
        caption, label: in LaTeX; the label without `tab:`.
    """
    size, parts, across = _laid_out(columns)
    caption_lines = _lines(caption, PAGE if across else COLUMN) + 1
    height = 12 * caption_lines + sum(_height(part, size) for part in parts)
    long = height > _HEIGHT
    packages = [
        *(["array"] if any(any(part.broken) for part in parts) else []),
        *["booktabs", *(["longtable"] if long else [])],
    ]
    needs = f"\\usepackage{{{','.join(packages)}}}"
    lines = [f"% {needs}; letters beyond Latin ones need LuaLaTeX or XeLaTeX."]
    about = f"\\caption{{{caption}}}"
    tag = f"\\label{{tab:{label}}}"
    if not long:
        star = "*" if across else ""
        lines += [f"\\begin{{table{star}}}", "\\centering", about, tag, *_letters(size)]
        tabulars = [_tabular(part, size) for part in parts]
        for tabular in tabulars[:-1]:
            lines += [*tabular, "\\\\[2ex]"]
        lines += [*tabulars[-1], f"\\end{{table{star}}}"]
    else:
        lines += ["\\begingroup", *_ONE_COLUMN, *_letters(size)]
        for number, part in enumerate(parts):
            further = f"\\caption*{{Further columns of Table~\\ref{{tab:{label}}}.}}"
            lines += _longtable(part, size, f"{about}{tag}" if number == 0 else further)
        lines += ["\\twocolumnsagain", "\\endgroup"]
    return "\n".join(lines) + "\n"


_ONE_COLUMN = (
    "\\def\\twocolumnsagain{}",
    "\\csname if@twocolumn\\endcsname\\onecolumn\\def\\twocolumnsagain{\\twocolumn}\\fi",
)


def _letters(size: _Size) -> list[str]:
    return [f"{size.command}\\setlength{{\\tabcolsep}}{{{size.gap}pt}}"] if size.command else []


# --- Letters -------------------------------------------------------------------------------------

_ESCAPES = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"},
    **{"<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}"},
    **{"±": "$\\pm$", "×": "$\\times$", "−": "$-$", "–": "--", "…": "\\ldots{}", "[": "{[}"},
    "]": "{]}",
}
_NEGATIVE = re.compile(r"-[0-9.]+(e[-+]?[0-9]+)?")


def escaped(text: str) -> str:
    """A text for LaTeX, in which all of its letters stand for themselves."""
    plain = "".join(_ESCAPES.get(letter, letter) for letter in text)
    return f"$-${plain[1:]}" if _NEGATIVE.fullmatch(text) else plain


# --- Which size, and which parts -----------------------------------------------------------------


def _laid_out(columns: Sequence[Column]) -> tuple[_Size, list[_Part], bool]:
    """The size of the letters, the parts, and whether they go across the page."""
    whole = _Part(columns, [column.natural for column in columns], [False] * len(columns))
    for room, sizes in ((COLUMN, _SIZES[:-1]), (PAGE, _SIZES)):
        for size in sizes:
            if sum(whole.widths) <= _room(room, size, len(columns)):
                return size, [whole], room == PAGE
    for size in _SIZES[-2:]:
        part = _broken(columns, size)
        if part is not None:
            return size, [part], True
    return _SMALLEST, list(_parts(columns, _SMALLEST)), True


def _room(points: float, size: _Size, columns: int) -> float:
    """Points of ordinary letters that so many columns have together."""
    return (points - 2 * size.gap * columns) / size.scale


def _broken(columns: Sequence[Column], size: _Size, least: float = _LEAST_TEXT) -> _Part | None:
    """The columns with long texts broken into lines; None where that is not enough.

    All long texts are cut to one width, or to their longest words.
    """
    natural = [column.natural for column in columns]
    floors = [
        min(wide, max(column.least, least)) for column, wide in zip(columns, natural, strict=True)
    ]
    left = _room(PAGE, size, len(columns))
    if sum(floors) > left:
        return None
    low, high = 0.0, max(natural)
    for _ in range(40):
        limit = (low + high) / 2
        widths = _limited(natural, floors, limit)
        low, high = (limit, high) if sum(widths) <= left else (low, limit)
    widths = _limited(natural, floors, low)
    return _Part(columns, widths, [a < b for a, b in zip(widths, natural, strict=True)])


def _limited(natural: Sequence[float], floors: Sequence[float], limit: float) -> list[float]:
    return [max(floor, min(wide, limit)) for wide, floor in zip(natural, floors, strict=True)]


def _parts(columns: Sequence[Column], size: _Size) -> Iterator[_Part]:
    """As few parts as hold all columns, each with the first columns that are texts."""
    texts = itertools.takewhile(lambda column: not column.number, columns[:-1])
    room = _room(PAGE, size, len(columns))
    names: list[Column] = []
    for column in texts:
        if sum(each.least for each in [*names, column]) > (1 - _LEAST_SHARE) * room:
            break
        names.append(column)
    taken: list[Column] = []
    for column in columns[len(names) :]:
        if taken and _broken([*names, *taken, column], size) is None:
            yield _whole(names, taken, size)
            taken = []
        taken.append(column)
    yield _whole(names, taken, size)


def _whole(names: Sequence[Column], taken: Sequence[Column], size: _Size) -> _Part:
    columns = [*names, *taken]
    part = _broken(columns, size) or _broken(columns, size, 0.0)
    # Words that are too long for the page stay as they are.
    widths = [column.least for column in columns]
    return part or _Part(columns, widths, [not column.number for column in columns])


# --- Lines ---------------------------------------------------------------------------------------


def _tabular(part: _Part, size: _Size) -> list[str]:
    return [
        f"\\begin{{tabular}}{{{_shape(part, size)}}}",
        *("\\toprule", _header(part), "\\midrule", *_body(part), "\\bottomrule", "\\end{tabular}"),
    ]


def _longtable(part: _Part, size: _Size, about: str) -> list[str]:
    return [
        f"\\begin{{longtable}}{{{_shape(part, size)}}}",
        f"{about} \\\\",
        *("\\toprule", _header(part), "\\midrule", "\\endhead", "\\bottomrule", "\\endfoot"),
        *(*_body(part), "\\end{longtable}"),
    ]


def _shape(part: _Part, size: _Size) -> str:
    return "".join(
        f">{{\\raggedright\\arraybackslash}}p{{{math.floor(wide * size.scale)}pt}}"
        if broken
        else "r"
        if column.number
        else "l"
        for column, wide, broken in zip(part.columns, part.widths, part.broken, strict=True)
    )


def _header(part: _Part) -> str:
    cells = []
    for column, wide, broken in zip(part.columns, part.widths, part.broken, strict=True):
        lines = [column.heading] if broken else _heading_lines(column.heading, wide)
        side = "r" if column.number else "l"
        text = " \\\\ ".join(lines)
        cells.append(text if len(lines) == 1 else f"\\shortstack[{side}]{{{text}}}")
    return f"{' & '.join(cells)} \\\\"


def _heading_lines(heading: str, wide: float) -> list[str]:
    """A heading in lines that are no wider than the column."""
    lines: list[str] = []
    for word in heading.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _points(longer) <= wide:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _body(part: _Part) -> list[str]:
    cells = [
        [cell.replace("\\_", "\\_\\allowbreak{}") for cell in column.cells]
        if broken
        else column.cells
        for column, broken in zip(part.columns, part.broken, strict=True)
    ]
    return [f"{' & '.join(row)} \\\\" for row in zip(*cells, strict=True)]


def _height(part: _Part, size: _Size) -> float:
    """Points of a part with its rules, and what is between it and the next."""
    headings = (
        len(_heading_lines(column.heading, wide))
        for column, wide in zip(part.columns, part.widths, strict=True)
    )
    lines = [
        max(
            _lines(column.cells[row], wide) if broken else 1
            for column, wide, broken in zip(part.columns, part.widths, part.broken, strict=True)
        )
        for row in range(len(part.columns[0].cells))
    ]
    return size.line * (max(headings) + sum(lines)) + 25


def _lines(text: str, wide: float) -> int:
    return max(1, math.ceil(_points(text) / (_FILLED * wide)))


# --- Widths --------------------------------------------------------------------------------------

_EMS = {
    **dict.fromkeys("ijl.,:;'!|[]", 0.31),
    **dict.fromkeys("frst()-I ", 0.4),
    **dict.fromkeys("cez*", 0.45),
    **dict.fromkeys("0123456789", 0.5),
    **dict.fromkeys("mw", 0.84),
    # The underscore of T1 is as wide as a capital; that of OT1 is narrower.
    **{"M": 0.92, "W": 1.03, "%": 0.84, "_": 0.78},
}
_CAPITAL, _SMALL = 0.79, 0.56
_COMMAND = re.compile(r"\\([^a-zA-Z])|\$[^$]*\$|\\[a-zA-Z]+(?:\{\})?")


def _points(text: str) -> float:
    """How wide a text in LaTeX is in letters of 10 points."""
    plain = re.sub(r"[{}]", "", _COMMAND.sub(lambda match: match[1] or "A", text))
    return 10 * sum(_EMS.get(letter, _SMALL if letter.islower() else _CAPITAL) for letter in plain)


def _words(text: str) -> list[str]:
    """What stays together where lines break at spaces, and behind hyphens and underscores."""
    return re.split(r" |(?<=-)|(?<=\\_)", text)
