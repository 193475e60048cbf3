"""Long names in figures: they are shortened until no text leaves the page or covers another."""

import re
import unicodedata
import warnings
from collections.abc import Sequence
from typing import Any

from matplotlib.axis import Axis
from matplotlib.figure import Figure, FigureBase
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox

LONGEST_NAME = 36
"""Most characters of a name in a figure, wide ones counting twice; the table beside the figure has
the whole name."""

LONGEST_ENTRY = 52
"""Most characters of an entry of a legend, a name with its numbers."""

# Names of fewer letters leave room for axes, however small these are.
_LONG = 24
# Inches of axes that can be read.
_LEAST_WIDTH, _LEAST_HEIGHT = 0.6, 0.35


def shortened(text: str, limit: int = LONGEST_NAME) -> str:
    """The text with "…" for its middle, if a line is wider than `limit` narrow characters."""
    return "\n".join(_cut(line, limit) for line in text.split("\n"))


def _cut(line: str, limit: int) -> str:
    if width_of(line) <= limit:
        return line
    head, tail = "", ""
    for first, last in zip(line, reversed(line), strict=True):
        if width_of(head + tail + first) >= limit:
            break
        head += first
        if width_of(head + tail + last) >= limit:
            break
        tail = last + tail
    # What was shortened before has one mark still.
    return f"{head.rstrip('…')}…{tail.lstrip('…')}"


def width_of(text: str) -> int:
    """Characters of a text, wide ones twice."""
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


# A word that is a number, with its brackets and a short unit: "[13.1,", "12–49", "n=80", "16k".
_NUMBER = re.compile(r"\W*([^\W\d]{1,3}=)?\W*\d[\d\W⁰¹²³⁴-⁹]*([eE]\W?\d+)?[^\W\d]{0,3}\W*")
_FEWEST = 6
"""Characters that are left of what stands before, between and behind numbers."""


_WORD = 14
"""Characters that are left of a word before those around it are cut, too."""


def _shortened_names(text: str, limit: int) -> str:
    """The text as of `shortened`, but every number whole, although it may become wider."""
    return "\n".join(_cut_names(line, limit) for line in text.split("\n"))


def _cut_names(line: str, limit: int) -> str:
    """A line with "…" in its names, the longest first; numbers and short words are whole."""
    words = line.split(" ")
    most = max(map(width_of, words))
    while width_of(line) > limit and most >= _WORD:
        # The names of a list give way one by one: cut as a whole, two of them would look like one.
        line = " ".join(word if _NUMBER.fullmatch(word) else _cut(word, most) for word in words)
        most -= 1
    if width_of(line) <= limit:
        return line
    parts: list[str] = []
    places: list[int] = []
    for word in line.split(" "):
        if _NUMBER.fullmatch(word):
            parts.append(word)
        elif places and places[-1] == len(parts) - 1:
            parts[-1] += f" {word}"
        else:
            places.append(len(parts))
            parts.append(word)
    if len(parts) == 1 and places:
        return _cut(line, limit)
    widths = [width_of(parts[place]) for place in places]
    free = limit - (width_of(line) - sum(widths))
    most = max(widths, default=0)
    while most > _FEWEST and sum(min(width, most) for width in widths) > free:
        most -= 1
    for place in places:
        parts[place] = _cut(parts[place], most)
    return " ".join(parts)


def _distinct(labels: Sequence[str], limit: int = LONGEST_NAME) -> list[str]:
    """The labels, their names shortened only so far that different labels stay different."""
    while len({_shortened_names(label, limit) for label in labels}) < len(set(labels)):
        limit += 8
    return [_shortened_names(label, limit) for label in labels]


def fit_names(figure: Figure, tallest: float) -> None:
    """Shorten names that are too long to be drawn, and make room if they leave none for axes.

    Args:
        figure: may become higher.
        tallest: inches that it has at most.
    """
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            _shorten_ticks(axis, LONGEST_NAME)
    for legend in figure.findobj(Legend):
        texts = legend.get_texts()
        entries = _distinct([text.get_text() for text in texts], LONGEST_ENTRY)
        for text, short in zip(texts, entries, strict=True):
            text.set_text(short)
    for text in figure.findobj(Text):
        words = text.get_text().split(" ")
        text.set_text(" ".join(_shortened_names(word, LONGEST_NAME) for word in words))
    _make_room(figure, tallest)
    _part_titles(figure)


def _make_room(figure: Figure, tallest: float) -> None:
    """Shorten long labels of ticks, and make the figure higher, until axes can be read."""
    axes = [panel for panel in figure.axes if panel.get_label() != "<colorbar>"]
    if max(map(width_of, _tick_lines(figure)), default=0) < _LONG:
        return
    for limit in (LONGEST_NAME, 30, 25, 21, 17, 14):
        with warnings.catch_warnings(record=True) as raised:
            # Warnings about missing characters and about axes without room; both are handled here.
            warnings.simplefilter("always")
            # A layout that presses axes together goes on doing so each time.
            for _ in range(3):
                figure.draw_without_rendering()
        # Axes without any room keep the places that they had before the layout, and look wide.
        collapsed = any("collapsed to zero" in str(warning.message) for warning in raised)
        boxes = [panel.get_window_extent() for panel in axes]
        wide = not collapsed and all(box.width / figure.dpi >= _LEAST_WIDTH for box in boxes)
        high = all(box.height / figure.dpi >= _LEAST_HEIGHT for box in boxes)
        if wide and high:
            return
        if not high:
            width, height = figure.get_size_inches()
            figure.set_size_inches(width, min(tallest, height + 0.5))
        for panel in axes:
            _shorten_ticks(panel.yaxis if high else panel.xaxis, limit)
            _shorten_ticks(panel.xaxis if high else panel.yaxis, limit)


def _shorten_ticks(axis: Axis, limit: int) -> None:
    labels = [text.get_text() for text in axis.get_ticklabels()]
    short = _distinct(labels, limit)
    if short != labels:
        axis.set_ticks(axis.get_ticklocs(), labels=short)


_MOST_STEPS = 40
"""Of making titles narrower."""

_BETWEEN = 4.0
"""Points that are free at least between the titles of neighbours."""

_NARROW, _SHORT = 0.6, 12
"""Of a panel's share of the width, and letters of its ticks: a title that is narrower, beside ticks
that are no longer, is in nobody's way; it needs no layout to see that."""


def _is_narrow(title: Text) -> bool:
    part: Any = title.get_figure()
    upright = _is_upright(title)
    starts = {round(axes.get_position().min[int(upright)], 2) for axes in part.axes}
    whole = part.bbox.height if upright else part.bbox.width
    length = _length(title, title.get_window_extent())
    return bool(length <= _NARROW * whole / max(len(starts), 1))


def _is_upright(text: Text) -> bool:
    return text.get_rotation() == 90


def _length(text: Text, box: Any) -> float:
    return float(box.height if _is_upright(text) else box.width)


def _tick_lines(figure: Figure) -> list[str]:
    """The lines of all labels of ticks, but for those of colour bars."""
    axes = [panel for panel in figure.axes if panel.get_label() != "<colorbar>"]
    labels = [
        text.get_text()
        for panel in axes
        for axis in (panel.xaxis, panel.yaxis)
        for text in axis.get_ticklabels()
    ]
    return [line for label in labels for line in label.split("\n")]


def _part_titles(figure: Figure) -> None:
    """Make titles narrower until none overlaps another or extends beyond its part of the figure.

    Labels of axes are titles here, too. Their names are shortened, never their numbers; a line of
    numbers alone is broken in two.
    """
    titles = _titles(figure)
    longest = max(map(width_of, _tick_lines(figure)), default=0)
    if not titles or (all(map(_is_narrow, titles)) and longest <= _SHORT):
        return
    _lay_out(figure)
    settled = False
    for _ in range(_MOST_STEPS):
        boxes = [title.get_window_extent() for title in titles]
        found = [_narrower(titles, boxes, some) for some in _in_the_way(titles, boxes)]
        if not any(found):
            if settled:
                return
            # A layout moves axes on when it is made again, those beside bars of colours most.
            _lay_out(figure)
            settled = True
            continue
        settled = False
        lines = 0
        for i, words in (item for new in found for item in new.items()):
            lines += words.count("\n") - titles[i].get_text().count("\n")
            titles[i].set_text(words)
        if lines:
            _lay_out(figure)


def _lay_out(figure: Figure) -> None:
    engine = figure.get_layout_engine()
    if engine is not None:
        with warnings.catch_warnings():
            # About axes without room, see `_make_room`.
            warnings.simplefilter("ignore")
            engine.execute(figure)
            # Until then bars of colours, and maps with an aspect, are wider than they are drawn.
            panels: Any = figure.axes
            for axes in panels:
                locator = axes.get_axes_locator()
                axes.apply_aspect(locator(axes, None) if locator else None)


def _narrower(titles: Sequence[Text], boxes: Sequence[Any], some: Sequence[int]) -> dict[int, str]:
    """New words for one of some titles, or for several that are equally wide.

    What is wider gives way, if it has names; only where nothing has any, lines are broken.
    """
    lengths = {i: _length(titles[i], boxes[i]) for i in some}
    wide = [i for i in some if lengths[i] > 0.98 * max(lengths.values())]
    for change in (_with_short_names, _in_more_lines):
        for group in (wide, some):
            words = {i: change(titles[i].get_text()) for i in group}
            words = {i: new for i, new in words.items() if new != titles[i].get_text()}
            if words:
                return words
    return {}


def _titles(figure: Figure) -> list[Text]:
    """The titles of the panels, of their axes, of the figure and of its parts."""
    panels: Any = figure.axes
    of_panels = [
        title
        for axes in panels
        for title in (axes.title, axes._left_title, axes._right_title)
        + ((axes.xaxis.label, axes.yaxis.label) if axes.axison else ())
    ]
    parts: Any = figure.findobj(FigureBase)
    above = [part._suptitle for part in parts if part._suptitle is not None]
    return [title for title in (*of_panels, *above) if title.get_text()]


def _in_the_way(titles: Sequence[Text], boxes: Sequence[Any]) -> list[list[int]]:
    """Places of the titles beyond their part of the figure, and of each two that overlap."""
    parts: list[Any] = [title.get_figure() for title in titles]
    margin = _BETWEEN * parts[0].dpi / 72
    beyond = [
        [i]
        for i, (part, box) in enumerate(zip(parts, boxes, strict=True))
        if _is_beyond(box, part.bbox, int(_is_upright(titles[i])))
    ]
    wide = [Bbox.from_extents(box.x0, box.y0, box.x1 + margin, box.y1) for box in boxes]
    both = [
        [i, j]
        for i, box in enumerate(wide)
        for j, other in enumerate(wide[:i])
        if box.overlaps(other)
    ]
    return beyond + both


def _is_beyond(box: Any, part: Any, along: int) -> bool:
    return bool(box.min[along] < part.min[along] - 1 or box.max[along] > part.max[along] + 1)


def _with_short_names(text: str) -> str:
    widest = max(width_of(line) for line in text.split("\n"))
    return _shortened_names(text, max(8, min(widest - 1, int(0.9 * widest))))


def _in_more_lines(text: str) -> str:
    """The text with its widest line broken at the blank next to its middle."""
    lines = text.split("\n")
    place = max(range(len(lines)), key=lambda i: width_of(lines[i]))
    line = lines[place]
    blanks = [i for i, character in enumerate(line) if character == " "]
    if blanks:
        cut = min(blanks, key=lambda i: abs(2 * i - len(line)))
        lines[place] = f"{line[:cut]}\n{line[cut + 1 :]}"
    return "\n".join(lines)
