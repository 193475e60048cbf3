"""One look for all figures, and files that are the same bytes for the same numbers."""

import functools
import logging
import re
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

import matplotlib.pyplot as plt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure, FigureBase
from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.ticker import LogFormatterSciNotation
from matplotlib.transforms import Bbox

from spoofscope.display import DisplayNames
from spoofscope.files import atomic_path
from spoofscope.tables import write_table

_logger = logging.getLogger("spoofscope.figures")

# After Okabe and Ito, and Tol: distinguishable with the common colour-vision deficiencies, and in
# print. Blue and orange, light and dark, are kept for what they mean.
COLOURS = (
    "#009E73",
    "#CC79A7",
    "#000000",
    "#999933",
    "#882255",
    "#44AA99",
    "#332288",
    "#8C564B",
    "#777777",
    "#0B5D1E",
)
"""Of systems, methods, and other things that are neither bona fide nor spoof."""

LINES = ("-", "--", "-.", ":")
_LAST_LINE = (0, (4, 1, 1, 1, 1, 1))
"""Of the curves for which `LINES` do not suffice."""

BONAFIDE = "#0072B2"
SPOOF = "#D55E00"
"""The two colours that mean something: blue is bona fide or better, orange spoof or worse."""

EVIDENCE = LinearSegmentedColormap.from_list("evidence", [SPOOF, "#ffffff", BONAFIDE])
"""For numbers of which one sign speaks for spoof and the other for bona fide."""

ERRORS = "cividis_r"
"""For error rates; darker is worse."""

AMOUNTS = "PRGn_r"
"""For numbers around a middle of which neither side is better."""

COLUMN, PAGE = 3.5, 7.2
"""Inches: the widths of figures, of a column and of a page of a paper."""

TALLEST = 9.2
"""Inches: no figure, and no page of one, is higher, so that a caption fits below it."""

_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    # Names of systems are never formulas, whatever characters they contain.
    "text.parse_math": False,
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "lines.linewidth": 1.4,
    "figure.dpi": 200,
    "pdf.fonttype": 42,
    "svg.hashsalt": "spoofscope",
}


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in the house style.

    Args:
        width: `COLUMN` or `PAGE`, so that its letters have their size in print.
        height: inches, at most `TALLEST`; what needs more has several pages, see :func:`pages`.

    Raises:
        ValueError: another width, or a greater height.
    """
    if width not in (COLUMN, PAGE) or not 0 < height <= TALLEST:
        raise ValueError(f"no figure of a paper is {width:g} x {height:g} inches")
    house_style()
    return plt.figure(figsize=(width, height), layout=_RoundedLayout())


def house_style() -> None:
    """Draw in the house style from here on, whatever the user's matplotlibrc asks for."""
    mpl.rcdefaults()
    mpl.rcParams.update(_SETTINGS)


class _RoundedLayout(ConstrainedLayoutEngine):
    """Matplotlib's constrained layout, whose places differ in the last digits from run to run.

    Its solver goes through its equations in the order of addresses in memory. Where an edge of a
    line falls between two pixels, the same numbers gave other pictures.
    """

    def execute(self, fig: Any) -> Any:
        """Lay the figure out; see `ConstrainedLayoutEngine.execute`."""
        layout = super().execute(fig)
        for axes in fig.axes:
            # `set_position` would take the axes out of the layout.
            corners = np.round(axes.get_position(original=True).extents, 6)
            axes._set_position(Bbox.from_extents(*corners), which="original")
        return layout


def pages(heights: Sequence[float], around: float = 0.0) -> list[list[int]]:
    """Lines of panels, in order, dealt out to pages that are no higher than `TALLEST`.

    Args:
        heights: of each line, in inches; none is as high as a page.
        around: what each page needs besides, for a legend.

    Returns:
        The indices of the lines of every page.
    """
    dealt: list[list[int]] = []
    left = 0.0
    for i, height in enumerate(heights):
        if not dealt or height > left:
            dealt.append([])
            left = TALLEST - around
        dealt[-1].append(i)
        left -= height
    return dealt


def panel_pages(
    n: int, columns: int, height: float, around: float = 0.0, width: float | None = None
) -> tuple[list[Figure], list[Axes]]:
    """Equal panels in lines, on as many pages as they need.

    Args:
        n: of panels. columns: of them beside each other.
        height: inches of a line. around: inches that each page needs besides.
        width: `COLUMN` or `PAGE`; by default `COLUMN` where panels stand in a single column.

    Returns:
        The pages, and the panels in order.
    """
    width = width or (COLUMN if min(n, columns) == 1 else PAGE)
    lines = [range(i, min(i + columns, n)) for i in range(0, n, columns)]
    figures: list[Figure] = []
    panels: list[Axes] = []
    for page in pages([height] * len(lines), around):
        figure = new_figure(width, height * len(page) + around)
        figures.append(figure)
        grid = figure.add_gridspec(len(page), min(n, columns))
        for row, i in enumerate(page):
            panels += [figure.add_subplot(grid[row, column]) for column in range(len(lines[i]))]
    return figures, panels


def label_below(figure: Figure, text: str) -> None:
    """A label of the x axis below the lowest panel of every column.

    One for the whole figure would stand where `legend_below` puts the legend.
    """
    lowest: dict[int, tuple[int, Axes]] = {}
    for axes in figure.axes:
        place = axes.get_subplotspec()
        if place is not None and axes.axison:
            column, row = place.colspan.start, place.rowspan.start
            if row >= lowest.get(column, (-1,))[0]:
                lowest[column] = row, axes
    for _, axes in lowest.values():
        axes.set_xlabel(text)


def legend_below(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """A legend below all axes, in as many columns as the longest label allows."""
    # Inches of a character in the legend's size, and of a handle with the space around it.
    widest = 0.055 * max((_width(shortened(label)) for label in labels), default=0) + 0.5
    columns = max(1, int(figure.get_figwidth() / widest))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=max(1, min(columns, len(labels)))
    )


def frame(corner: tuple[float, float], width: float, height: float, **look: Any) -> Rectangle:
    """A frame that is seen on cells of every colour, and in a legend."""
    casing = [withStroke(linewidth=look.get("linewidth", 1.0) + 1.4, foreground="black")]
    return Rectangle(
        corner, width, height, fill=False, edgecolor="white", path_effects=casing, zorder=3, **look
    )


def interval_words(words: str, *low: pl.Series) -> list[str]:
    """What a key says of intervals: nothing where a figure has none, as without resamples.

    Args:
        words: of the key.
        low: lower ends of what the figure may draw, null where there is no interval.
    """
    return [words] if any(ends.is_not_null().any() for ends in low) else []


CHANCE: dict[str, Any] = {"color": "#777777", "linewidth": 0.8, "linestyle": ":"}
"""The line of what a guess reaches; its key is "chance"."""


def note(words: str) -> Line2D:
    """An entry of a legend that explains something in words alone."""
    return Line2D([], [], linestyle="none", label=words)


LONGEST_NAME = 36
"""Most characters of a name in a figure, wide ones counting twice; the table beside the figure has
the whole name."""

LONGEST_ENTRY = 52
"""Most characters of an entry of a legend, a name with its numbers."""

# Names of fewer letters leave room for axes, however small these are.
_LONG = 24
# Inches of axes that can be read.
_LEAST_WIDTH, _LEAST_HEIGHT = 0.6, 0.35

# Fonts of symbols, and one whose every character is a box.
_NO_TEXT = re.compile(
    r"^(cm|STIX|DejaVu Math|DejaVu Sans Display|DejaVu Serif Display|Last Resort)"
)


def shortened(text: str, limit: int = LONGEST_NAME) -> str:
    """The text with "…" for its middle, if a line is wider than `limit` narrow characters."""
    return "\n".join(_cut(line, limit) for line in text.split("\n"))


def _cut(line: str, limit: int) -> str:
    if _width(line) <= limit:
        return line
    head, tail = "", ""
    for first, last in zip(line, reversed(line), strict=True):
        if _width(head + tail + first) >= limit:
            break
        head += first
        if _width(head + tail + last) >= limit:
            break
        tail = last + tail
    # What was shortened before has one mark still.
    return f"{head.rstrip('…')}…{tail.lstrip('…')}"


def _width(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


# A word that is a number, with its brackets and a short unit: "[13.1,", "12–49", "n=80", "16k".
_NUMBER = re.compile(r"\W*([^\W\d]{1,3}=)?\W*\d[\d\W⁰¹²³⁴-⁹]*([eE]\W?\d+)?[^\W\d]{0,3}\W*")
_FEWEST = 6
"""Characters that are left of what stands before, between and behind numbers."""


def _shortened_names(text: str, limit: int) -> str:
    """The text as of `shortened`, but every number whole, although it may become wider."""
    return "\n".join(_cut_names(line, limit) for line in text.split("\n"))


def _cut_names(line: str, limit: int) -> str:
    """A line with "…" in its names, the longest first; numbers and short words are whole."""
    if _width(line) <= limit:
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
    widths = [_width(parts[place]) for place in places]
    free = limit - (_width(line) - sum(widths))
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


def fit_names(figure: Figure) -> None:
    """Shorten names that are too long to be drawn, and make room if they leave none for axes."""
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
    _make_room(figure)
    _part_titles(figure)


def _make_room(figure: Figure) -> None:
    """Shorten long labels of ticks, and make the figure higher, until axes can be read."""
    axes = [panel for panel in figure.axes if panel.get_label() != "<colorbar>"]
    if max(map(_width, _tick_lines(figure)), default=0) < _LONG:
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
            figure.set_size_inches(width, min(TALLEST, height + 0.5))
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
    starts = {round(axes.get_position().x0, 2) for axes in part.axes}
    return bool(title.get_window_extent().width <= _NARROW * part.bbox.width / max(len(starts), 1))


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

    Their names are shortened, never their numbers; a line of numbers alone is broken in two.
    """
    titles = _titles(figure)
    longest = max(map(_width, _tick_lines(figure)), default=0)
    if not titles or (all(map(_is_narrow, titles)) and longest <= _SHORT):
        return
    _lay_out(figure)
    for _ in range(_MOST_STEPS):
        boxes = [title.get_window_extent() for title in titles]
        found = [_narrower(titles, boxes, some) for some in _in_the_way(titles, boxes)]
        if not any(found):
            return
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


def _narrower(titles: Sequence[Text], boxes: Sequence[Any], some: Sequence[int]) -> dict[int, str]:
    """New words for one of some titles, or for several that are equally wide.

    What is wider gives way, if it has names; only where nothing has any, lines are broken.
    """
    widest = max(boxes[i].width for i in some)
    wide = [i for i in some if boxes[i].width > 0.98 * widest]
    for change in (_with_short_names, _in_more_lines):
        for group in (wide, some):
            words = {i: change(titles[i].get_text()) for i in group}
            words = {i: new for i, new in words.items() if new != titles[i].get_text()}
            if words:
                return words
    return {}


def _titles(figure: Figure) -> list[Text]:
    """The titles of the panels, of the figure and of its parts."""
    panels: Any = figure.axes
    of_panels = [
        title for axes in panels for title in (axes.title, axes._left_title, axes._right_title)
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
        if box.x0 < part.bbox.x0 - 1 or box.x1 > part.bbox.x1 + 1
    ]
    wide = [Bbox.from_extents(box.x0, box.y0, box.x1 + margin, box.y1) for box in boxes]
    both = [
        [i, j]
        for i, box in enumerate(wide)
        for j, other in enumerate(wide[:i])
        if box.overlaps(other)
    ]
    return beyond + both


def _with_short_names(text: str) -> str:
    widest = max(_width(line) for line in text.split("\n"))
    return _shortened_names(text, max(8, min(widest - 1, int(0.9 * widest))))


def _in_more_lines(text: str) -> str:
    """The text with its widest line broken at the blank next to its middle."""
    lines = text.split("\n")
    place = max(range(len(lines)), key=lambda i: _width(lines[i]))
    line = lines[place]
    blanks = [i for i, character in enumerate(line) if character == " "]
    if blanks:
        cut = min(blanks, key=lambda i: abs(2 * i - len(line)))
        lines[place] = f"{line[:cut]}\n{line[cut + 1 :]}"
    return "\n".join(lines)


def fonts_for(figure: Figure) -> list[str]:
    """Families of fonts that have the characters of a figure: DejaVu Sans, and others as needed.

    A character that no installed font has is drawn as a box, and a warning says so.
    """
    text = "".join(text_artist.get_text() for text_artist in figure.findobj(Text))
    lacking = {c for c in text if not c.isspace()}
    families: list[str] = []
    if text.isascii():
        return ["DejaVu Sans"]
    # Of every family its upright regular face, where it has one.
    faces = sorted(fontManager.ttflist, key=lambda f: (f.style == "normal", f.weight == 400))
    entries = {face.name: face.fname for face in faces if not _NO_TEXT.match(face.name)}
    order = sorted(entries, key=lambda name: (name != "DejaVu Sans", "Sans" not in name, name))
    for name in order:
        if not lacking:
            break
        known = {c for c in lacking if ord(c) in _characters(entries[name])}
        if known or not families:
            families.append(name)
            lacking -= known
    if lacking:
        _logger.warning(
            "no installed font has %s, drawn as boxes; install one, such as Debian's "
            "fonts-noto-cjk for Chinese, Japanese and Korean or fonts-noto-core for most others",
            " ".join(sorted(lacking)[:10]),
        )
    return families


@functools.cache
def _characters(path: str) -> frozenset[int]:
    return frozenset(FT2Font(path).get_charmap())


class _PlainLog(LogFormatterSciNotation):
    """Labels such as 2×10⁻³ without mathematical type, which would also affect names."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        text = super().__call__(x, pos).removeprefix(r"$\mathdefault{").removesuffix("}$")
        text = text.replace(r"\times", "×")
        return re.sub(r"\^\{(.*?)\}", lambda match: match[1].translate(_SUPERSCRIPT), text)


def log_scale(axes: Axes) -> None:
    """Make the y axis logarithmic."""
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(_PlainLog(10))
    axes.yaxis.set_minor_formatter(_PlainLog(10, labelOnlyBase=False))


_SUPERSCRIPT = str.maketrans("-−0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def save(
    drawn: Figure | Sequence[Figure], outputs: Mapping[str, str], numbers: pl.DataFrame
) -> None:
    """Write a figure as PDF and PNG, and its plotted numbers as TSV.

    Raises:
        ValueError: letters are too small for print.

    Args:
        drawn: the figure, or its pages: in the PDF they are pages, in the PNG they stand one below
            the other. They are closed afterwards.
        outputs: `pdf`, `png` and `tsv` to file names.
        numbers: the plotted numbers.
    """
    sheets = [drawn] if isinstance(drawn, Figure) else list(drawn)
    for sheet in sheets:
        _check_letters(sheet)
    families = list(dict.fromkeys(name for sheet in sheets for name in fonts_for(sheet)))
    with mpl.rc_context({"font.sans-serif": families}), warnings.catch_warnings():
        # `fonts_for` already warns once about a character that no font has.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        for sheet in sheets:
            fit_names(sheet)
            settle(sheet)
        with atomic_path(outputs["pdf"]) as temporary:
            _write_pdf(sheets, temporary)
        with atomic_path(outputs["png"]) as temporary:
            _write_png(sheets, temporary)
    for sheet in sheets:
        plt.close(sheet)
    write_table(outputs["tsv"], numbers)


def settle(figure: Figure, dpi: float = _SETTINGS["figure.dpi"]) -> None:
    """Lay a figure out, once for all its files.

    The constrained layout comes out differently at every resolution, and from one drawing to the
    next until it has settled: a title that was whole in the PNG was cut in the PDF.
    """
    figure.set_dpi(dpi)
    engine = figure.get_layout_engine()
    if engine is None or not figure.axes:
        return
    before: Any = np.inf
    # Letters that are moved to whole pixels are narrower than those of the PDF.
    with mpl.rc_context({"text.hinting": "none"}):
        for _ in range(_MOST_LAYOUTS):
            engine.execute(figure)
            places = np.array([axes.get_position().extents for axes in figure.axes])
            if np.abs(places - before).max() < _SETTLED:
                break
            before = places
    # Not "none", with which every file would be drawn twice.
    figure.set_layout_engine(None)


_MOST_LAYOUTS, _SETTLED = 10, 1e-4
"""Of a layout; and the share of a figure by which its axes no longer move."""

_SMALLEST = 7.0
"""Points: letters of a paper's figure are no smaller."""


def _check_letters(figure: Figure) -> None:
    for text in figure.findobj(Text):
        size = float(text.get_fontsize())
        if text.get_visible() and text.get_text().strip() and size < _SMALLEST:
            raise ValueError(f"letters of {size:g} points: {text.get_text()!r}")


# Dates and version strings would make two runs with equal numbers differ.
_UNDATED = dict.fromkeys(("CreationDate", "Producer", "Creator"))


def _write_pdf(sheets: Sequence[Figure], path: Path) -> None:
    with PdfPages(path, metadata=dict(_UNDATED)) as pdf:
        for sheet in sheets:
            pdf.savefig(sheet)


def _write_png(sheets: Sequence[Figure], path: Path) -> None:
    images = []
    for sheet in sheets:
        canvas: Any = FigureCanvasAgg(sheet)
        canvas.draw()
        images.append(np.asarray(canvas.buffer_rgba()))
    # The pages of a figure are equally wide. Without the resolution, programs that set pages would
    # take the file for one of 100 dots an inch, twice as wide as the PDF.
    plt.imsave(
        path,
        np.concatenate(images),
        format="png",
        dpi=sheets[0].get_dpi(),
        metadata={"Software": None},
    )


_names: list[DisplayNames] = [DisplayNames({})]


def use_names(names: Mapping[str, Mapping[str, Any]]) -> None:
    """Let figures show the names of section `names` of a study file, until they get others."""
    _names[:] = [DisplayNames(names)]


def people() -> DisplayNames:
    """What figures call systems, corpora, attacks and conditions."""
    return _names[0]


def system_labels(systems: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], str]:
    """Short label of every (id, seed): its name, with the seed where a detector has several.

    Args:
        systems: id, seed, name and kind; one may be there several times.
    """
    seeds: dict[str, set[int]] = {}
    for system in systems:
        seeds.setdefault(system["id"], set()).add(system["seed"])
    return {
        (system["id"], system["seed"]): people().system(system["name"])
        + (f" (seed {system['seed']})" if len(seeds[system["id"]]) > 1 else "")
        + (" (fusion)" if system["kind"] == "fusion" else "")
        for system in systems
    }


def line_style(index: int) -> dict[str, Any]:
    """Colour and dash of the index-th curve; neighbours differ in both, all 50 in one of them."""
    cycle = index // len(COLOURS) % (len(LINES) + 1)
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": LINES[(index + cycle) % len(LINES)] if cycle < len(LINES) else _LAST_LINE,
    }


MARKS = "osD^vP*X<>"

MOST_LOOKS = len(COLOURS) * (len(LINES) + 1)
"""Curves that a figure can show so that every two of them look different."""


def mark_style(index: int) -> dict[str, Any]:
    """Colour and marker of the index-th dot; neighbours differ in both, all 100 in one of them."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKS[(index + index // len(COLOURS)) % len(MARKS)],
    }


def percent(value: float) -> str:
    """A rate in [0, 1] as per cent, with as many digits as it deserves."""
    return f"{100 * value:.2f}" if value < 0.1 else f"{100 * value:.1f}"


def between(row: Mapping[str, Any], said: Callable[[float], str] = percent) -> str:
    """The 95 % interval of a number for a legend or title; empty where there is none.

    Args:
        row: with `ci_low` and `ci_high`.
        said: the form of its ends, by default rates in [0, 1] as per cent.
    """
    if row["ci_low"] is None:
        return ""
    return f" [{said(row['ci_low'])}, {said(row['ci_high'])}]"
