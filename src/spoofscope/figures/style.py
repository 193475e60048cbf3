"""One look for all figures, and files that are the same bytes for the same numbers."""

import functools
import logging
import re
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
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.ticker import LogFormatterSciNotation
from matplotlib.transforms import Bbox

from spoofscope.display import DisplayNames
from spoofscope.figures.fitting import fit_names, shortened, width_of
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
    widest = 0.055 * max((width_of(shortened(label)) for label in labels), default=0) + 0.5
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


# Fonts of symbols, and one whose every character is a box.
_NO_TEXT = re.compile(
    r"^(cm|STIX|DejaVu Math|DejaVu Sans Display|DejaVu Serif Display|Last Resort)"
)


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
            fit_names(sheet, TALLEST)
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
