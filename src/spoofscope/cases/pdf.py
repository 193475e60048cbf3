"""A document as a PDF of A4 pages: the same bytes for the same document.

matplotlib places the text, so that a report needs no further library. Its fonts are embedded.
"""

import datetime
import io
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle

from spoofscope.cases.document import Document, Heading, Items, Paragraph, Picture, Table
from spoofscope.figures.style import fonts_for, house_style

# All lengths are in points.
_WIDTH, _HEIGHT = 595.28, 841.89
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 541.28, 60.0, 60.0
_INSIDE = _RIGHT - _LEFT
_LINE = 1.38
_BODY, _SMALL, _TITLE, _SECTION = 9.0, 7.5, 16.0, 11.5
# Lines of a paragraph that no page parts.
_KEPT_TOGETHER = 8
_INK, _SOFT, _RULE, _TINT = "#1c2733", "#5b6875", "#d9dfe5", "#f4f6f8"
_BARS = {"result": ("#1c2733", "#f4f6f8"), "warning": ("#d58a00", "#fff8ea")}
# Letters are measured large, because small ones are moved to whole pixels.
_MEASURED_AT = 100

_Drawing = Callable[[Figure], None]


def write_pdf(document: Document, path: Path, made: datetime.datetime | None) -> None:
    """Write a document.

    Args:
        document: the document.
        path: the file.
        made: the time of making that the file bears; None leaves it out.
    """
    families = _families(document)
    settings: Any = {"font.sans-serif": families, "pdf.fonttype": 42, "text.parse_math": False}
    metadata = {"CreationDate": made, "Producer": None, "Creator": None, "Title": document.title}
    with mpl.rc_context(), warnings.catch_warnings():
        house_style()
        mpl.rcParams.update({**settings, "font.family": "sans-serif"})
        # `fonts_for` already warns once about a character that no font has.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        pages = _Pages(families).laid_out(document)
        with PdfPages(path, metadata=metadata) as pdf:
            for number, drawings in enumerate(pages, start=1):
                page = plt.figure(figsize=(_WIDTH / 72, _HEIGHT / 72))
                foot = f"{document.foot} · page {number} of {len(pages)}"
                for draw in [*drawings, _text(_LEFT, _HEIGHT - 34, foot, _SMALL - 1, colour=_SOFT)]:
                    draw(page)
                pdf.savefig(page)
                plt.close(page)


def _families(document: Document) -> list[str]:
    """Fonts that have all characters of the document."""
    figure = plt.figure()
    figure.text(0, 0, " ".join([document.title, document.foot, *_texts(document)]))
    families = fonts_for(figure)
    plt.close(figure)
    return families


def _texts(document: Document) -> Iterable[str]:
    for block in document.blocks:
        if isinstance(block, Heading | Paragraph):
            yield block.text
        elif isinstance(block, Items):
            yield from block.texts
        elif isinstance(block, Table):
            yield from (*block.header, block.caption, *(cell for row in block.rows for cell in row))
        else:
            yield block.caption


def _text(
    x: float,
    y: float,
    text: str,
    size: float,
    *,
    bold: bool = False,
    colour: str = _INK,
    right: bool = False,
) -> _Drawing:
    """Text with its base line at y points from the top."""

    def draw(page: Figure) -> None:
        page.text(
            x / _WIDTH,
            1 - y / _HEIGHT,
            text,
            fontsize=size,
            fontweight="bold" if bold else "normal",
            color=colour,
            ha="right" if right else "left",
            va="baseline",
        )

    return draw


def _box(x: float, y: float, width: float, height: float, colour: str) -> _Drawing:
    """A filled box whose upper left corner is x, y."""

    def draw(page: Figure) -> None:
        corner = x / _WIDTH, 1 - (y + height) / _HEIGHT
        box = Rectangle(corner, width / _WIDTH, height / _HEIGHT, color=colour, linewidth=0)
        box.set_transform(page.transFigure)
        page.add_artist(box)

    return draw


def _image(x: float, y: float, width: float, height: float, png: bytes) -> _Drawing:
    def draw(page: Figure) -> None:
        place = x / _WIDTH, 1 - (y + height) / _HEIGHT, width / _WIDTH, height / _HEIGHT
        axes = page.add_axes(place)
        axes.imshow(plt.imread(io.BytesIO(png)), interpolation="none", aspect="auto")
        axes.set_axis_off()

    return draw


class _Pages:
    """Lays out blocks one below the other, and begins a page where one is full."""

    def __init__(self, families: Sequence[str]) -> None:
        self._families = list(families)
        renderer: Any = RendererAgg
        self._measure = renderer(8, 8, 72).get_text_width_height_descent
        self._letters: dict[tuple[str, bool], float] = {}
        self._pages: list[list[_Drawing]] = [[]]
        self._y = _TOP

    def laid_out(self, document: Document) -> list[list[_Drawing]]:
        """The drawings of every page."""
        self._y += 8
        self._lines(document.title, _LEFT, _INSIDE, _TITLE, bold=True)
        self._y += 6
        blocks = document.blocks
        for place, block in enumerate(blocks):
            if isinstance(block, Heading):
                # A heading stays with what follows it.
                following = blocks[place + 1] if place + 1 < len(blocks) else None
                self._heading(block, self._least(following))
            elif isinstance(block, Paragraph):
                self._paragraph(block)
            elif isinstance(block, Items):
                for text in block.texts:
                    self._item(text)
                self._y += 4
            elif isinstance(block, Table):
                self._table(block)
            else:
                self._picture(block)
        return self._pages

    def _least(self, block: object) -> float:
        """What a block needs on the page of its heading."""
        if isinstance(block, Picture):
            return self._size(block)[1] + 60
        return 60.0

    def _width(self, text: str, size: float, bold: bool) -> float:
        """The width without kerning, which moves letters together."""
        return size * sum(self._letter(letter, bold) for letter in text)

    def _letter(self, letter: str, bold: bool) -> float:
        """Width of a letter of size 1."""
        key = letter, bold
        if key not in self._letters:
            font = FontProperties(
                family=self._families, size=_MEASURED_AT, weight="bold" if bold else "normal"
            )
            # A single letter is as wide as its ink; between others it has its space.
            between, alone = (
                self._measure(text, font, ismath=False)[0] for text in (f"H{letter}H", "HH")
            )
            self._letters[key] = (between - alone) / _MEASURED_AT
        return self._letters[key]

    def _wrapped(self, text: str, width: float, size: float, bold: bool = False) -> list[str]:
        """Lines that are no wider than `width`; words that are wider are cut."""
        # A column that was made for its text has exactly its width.
        width += 0.01
        lines, line = [], ""
        for word in text.split():
            longer = f"{line} {word}" if line else word
            if self._width(longer, size, bold) <= width:
                line = longer
                continue
            if line:
                lines.append(line)
            while self._width(word, size, bold) > width:
                fitting = 1
                while self._width(word[: fitting + 1], size, bold) <= width:
                    fitting += 1
                lines.append(word[:fitting])
                word = word[fitting:]
            line = word
        return [*lines, line] if line or not lines else lines

    def _room(self, height: float) -> None:
        """Begin a page unless so much is left of this one."""
        if self._y + height > _HEIGHT - _BOTTOM and self._y > _TOP:
            self._pages.append([])
            self._y = _TOP

    def _draw(self, drawing: _Drawing) -> None:
        self._pages[-1].append(drawing)

    def _lines(
        self,
        text: str,
        x: float,
        width: float,
        size: float,
        *,
        bold: bool = False,
        colour: str = _INK,
    ) -> None:
        for line in self._wrapped(text, width, size, bold):
            self._room(size * _LINE)
            self._draw(_text(x, self._y + size, line, size, bold=bold, colour=colour))
            self._y += size * _LINE

    def _heading(self, block: Heading, following: float) -> None:
        self._room(14 + _SECTION * _LINE + following)
        if self._y > _TOP:
            self._y += 12
        self._lines(block.text, _LEFT, _INSIDE, _SECTION, bold=True)
        self._draw(_box(_LEFT, self._y, _INSIDE, 1.2, _RULE))
        self._y += 7

    def _paragraph(self, block: Paragraph) -> None:
        size = _SMALL if block.kind == "note" else _BODY
        if block.kind not in _BARS:
            colour = _SOFT if block.kind == "note" else _INK
            n_lines = len(self._wrapped(block.text, _INSIDE, size))
            self._room(min(n_lines, _KEPT_TOGETHER) * size * _LINE)
            self._lines(block.text, _LEFT, _INSIDE, size, colour=colour)
            self._y += 5
            return
        bar, tint = _BARS[block.kind]
        bold = block.kind == "result"
        size = _BODY + 1 if bold else size
        lines = self._wrapped(block.text, _INSIDE - 20, size, bold)
        height = len(lines) * size * _LINE + 10
        self._room(height)
        self._draw(_box(_LEFT, self._y, _INSIDE, height, tint))
        self._draw(_box(_LEFT, self._y, 3, height, bar))
        y = self._y + 5
        for line in lines:
            self._draw(_text(_LEFT + 12, y + size, line, size, bold=bold))
            y += size * _LINE
        self._y += height + 7

    def _item(self, text: str) -> None:
        self._room(_BODY * _LINE)
        self._draw(_text(_LEFT + 4, self._y + _BODY, "•", _BODY))
        self._lines(text, _LEFT + 16, _INSIDE - 16, _BODY)
        self._y += 2

    def _table(self, block: Table) -> None:
        rows = [block.header, *block.rows] if block.header else list(block.rows)
        widths = self._columns(rows)
        named = 0 if block.header else 1
        if block.header:
            self._row(block.header, widths, block.right, len(widths))
        for row in block.rows:
            height = self._row_height(row, widths, named)
            if self._y + height > _HEIGHT - _BOTTOM and block.header:
                self._room(height)
                self._row(block.header, widths, block.right, len(widths))
            self._row(row, widths, block.right, named)
        self._y += 3
        if block.caption:
            self._lines(block.caption, _LEFT, _INSIDE, _SMALL, colour=_SOFT)
        self._y += 6

    def _columns(self, rows: Sequence[Sequence[str]]) -> list[float]:
        """Widths of columns: what they need, and where that is too much, longer ones give way."""
        n = max(map(len, rows))
        padding = 8.0
        needs = [
            max(self._width(row[i], _SMALL, bold=True) for row in rows) + padding for i in range(n)
        ]
        words = [
            max(
                self._width(word, _SMALL, bold=True)
                for row in rows
                for word in row[i].split() or [""]
            )
            + padding
            for i in range(n)
        ]
        least = [min(word, _INSIDE / 3) for word in words]
        if sum(needs) <= _INSIDE:
            return needs
        # As wide as fits: nobody gets more than it needs, and all others get the same share.
        low, high = 0.0, _INSIDE
        for _ in range(50):
            share = (low + high) / 2
            given = [max(few, min(need, share)) for few, need in zip(least, needs, strict=True)]
            low, high = (share, high) if sum(given) <= _INSIDE else (low, share)
        return [max(few, min(need, low)) for few, need in zip(least, needs, strict=True)]

    def _row_height(self, row: Sequence[str], widths: Sequence[float], n_bold: int) -> float:
        lines = max(
            len(self._wrapped(cell, width - 8, _SMALL, place < n_bold))
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return lines * _SMALL * _LINE + 5

    def _row(
        self, row: Sequence[str], widths: Sequence[float], right: frozenset[int], n_bold: int
    ) -> None:
        """Draw a row, of which the first `n_bold` cells are headings."""
        height = self._row_height(row, widths, n_bold)
        self._room(height)
        total = sum(widths)
        if n_bold == len(widths):
            self._draw(_box(_LEFT, self._y, total, height, _TINT))
        x = _LEFT
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            bold, at_right = place < n_bold, place in right
            y = self._y + 2.5
            for line in self._wrapped(cell, width - 8, _SMALL, bold):
                where = x + width - 4 if at_right else x + 4
                self._draw(_text(where, y + _SMALL, line, _SMALL, bold=bold, right=at_right))
                y += _SMALL * _LINE
            x += width
        self._y += height
        self._draw(_box(_LEFT, self._y - 0.6, total, 0.6, _RULE))

    def _size(self, block: Picture) -> tuple[float, float]:
        rows, columns = plt.imread(io.BytesIO(block.png)).shape[:2]
        width = _INSIDE * block.width
        height = width * rows / columns
        tallest = _HEIGHT - _TOP - _BOTTOM - 70
        return (width * tallest / height, tallest) if height > tallest else (width, height)

    def _picture(self, block: Picture) -> None:
        width, height = self._size(block)
        caption = len(self._wrapped(block.caption, _INSIDE, _SMALL)) * _SMALL * _LINE
        self._room(height + caption + 4)
        self._draw(_image(_LEFT, self._y, width, height, block.png))
        self._y += height + 3
        self._lines(block.caption, _LEFT, _INSIDE, _SMALL, colour=_SOFT)
        self._y += 6
