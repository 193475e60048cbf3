"""One look for all figures, and files that are the same bytes for the same numbers."""

import functools
import logging
import re
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import LogFormatterSciNotation

from spoofscope.files import atomic_path
from spoofscope.tables import write_table

_logger = logging.getLogger("spoofscope.figures")

# Okabe and Ito's palette: distinguishable with the common colour-vision deficiencies, and in print.
COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#999933",
    "#882255",
    "#777777",
)
LINES = ("-", "--", "-.", ":")
BONAFIDE = "#0072B2"
SPOOF = "#D55E00"

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
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "svg.hashsalt": "spoofscope",
}


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in the house style; `width` and `height` in inches."""
    mpl.rcParams.update(_SETTINGS)
    return plt.figure(figsize=(width, height), layout="constrained")


def legend_below(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """A legend below all axes, in as many columns as the longest label allows."""
    # Inches of a character in the legend's size, and of a handle with the space around it.
    widest = 0.055 * max((_width(shortened(label)) for label in labels), default=0) + 0.5
    columns = max(1, int(figure.get_figwidth() / widest))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=max(1, min(columns, len(labels)))
    )


LONGEST_NAME = 36
"""Most characters of a name in a figure, wide ones counting twice; the table beside the figure has
the whole name."""

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
    return f"{head}…{tail}"


def _width(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _distinct(labels: Sequence[str]) -> list[str]:
    """The labels, shortened only so far that different labels stay different."""
    limit = LONGEST_NAME
    while len({shortened(label, limit) for label in labels}) < len(set(labels)):
        limit += 8
    return [shortened(label, limit) for label in labels]


def fit_names(figure: Figure) -> None:
    """Shorten names that are too long to be drawn, and make room if they leave none for axes."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = [text.get_text() for text in axis.get_ticklabels()]
            if _distinct(labels) != labels:
                axis.set_ticks(axis.get_ticklocs(), labels=_distinct(labels))
    for legend in figure.findobj(Legend):
        texts = legend.get_texts()
        for text, short in zip(texts, _distinct([t.get_text() for t in texts]), strict=True):
            text.set_text(short)
    for text in figure.findobj(Text):
        words = text.get_text().split(" ")
        text.set_text(" ".join(shortened(word) for word in words))
    _make_room(figure)
    _part_titles(figure)


def _make_room(figure: Figure) -> None:
    """Enlarge a figure with long labels until its axes can be read beside them."""
    axes = [panel for panel in figure.axes if panel.get_label() != "<colorbar>"]
    labels = [
        [text.get_text() for text in axis.get_ticklabels()]
        for panel in axes
        for axis in (panel.xaxis, panel.yaxis)
    ]
    lines = [line for axis_labels in labels for text in axis_labels for line in text.split("\n")]
    if max(map(_width, lines), default=0) < 24:
        return
    for _ in range(12):
        with warnings.catch_warnings():
            # Warnings about missing characters and about axes without room; both are handled here.
            warnings.simplefilter("ignore")
            figure.draw_without_rendering()
        width, height = figure.get_size_inches()
        boxes = [panel.get_window_extent() for panel in axes]
        # Inches that the labels of ticks need beside each other.
        wide = all(
            box.width / figure.dpi >= max(1.8, 0.3 * len(panel.get_xticklabels()))
            for box, panel in zip(boxes, axes, strict=True)
        )
        high = all(
            box.height / figure.dpi >= max(0.4, 0.27 * len(panel.get_yticklabels()))
            for box, panel in zip(boxes, axes, strict=True)
        )
        if wide and high:
            return
        figure.set_size_inches(width + (0 if wide else 0.8), height + (0 if high else 0.5))


def _part_titles(figure: Figure) -> None:
    """Shorten the titles of panels until none overlaps another or extends beyond the figure."""
    panels: Any = figure.axes
    titles = [
        title
        for axes in panels
        for title in (axes.title, axes._left_title, axes._right_title)
        if title.get_text()
    ]
    for _ in range(8):
        boxes = [title.get_window_extent() for title in titles]
        edge = figure.bbox.x1
        long = {i for i, box in enumerate(boxes) if box.x0 < 0 or box.x1 > edge} | {
            i
            for i, box in enumerate(boxes)
            for j, other in enumerate(boxes)
            if i != j and box.overlaps(other)
        }
        if not long:
            return
        for i in long:
            text = titles[i].get_text()
            widest = max(_width(line) for line in text.split("\n"))
            titles[i].set_text(shortened(text, max(8, int(0.8 * widest))))
        figure.draw_without_rendering()


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


def save(figure: Figure, outputs: Mapping[str, str], numbers: pl.DataFrame) -> None:
    """Write a figure as PDF and PNG, and its plotted numbers as TSV.

    Args:
        figure: the figure to save; it is closed afterwards.
        outputs: `pdf`, `png` and `tsv` to file names.
        numbers: the plotted numbers.
    """
    fit_names(figure)
    # Dates and version strings would make two runs with equal numbers differ.
    for suffix, undated in (
        ("pdf", ("CreationDate", "Producer", "Creator")),
        ("png", ("Software",)),
    ):
        with (
            atomic_path(outputs[suffix]) as temporary,
            mpl.rc_context({"font.sans-serif": fonts_for(figure)}),
            warnings.catch_warnings(),
        ):
            # `fonts_for` already warns once about a character that no font has.
            warnings.filterwarnings("ignore", "Glyph .* missing from")
            figure.savefig(temporary, format=suffix, metadata=dict.fromkeys(undated))
    plt.close(figure)
    write_table(outputs["tsv"], numbers)


def system_labels(systems: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], str]:
    """Short label of every (id, seed): its name, with the seed where a detector has several.

    Args:
        systems: id, seed, name and kind; one may be there several times.
    """
    seeds: dict[str, set[int]] = {}
    for system in systems:
        seeds.setdefault(system["id"], set()).add(system["seed"])
    return {
        (system["id"], system["seed"]): system["name"]
        + (f" (seed {system['seed']})" if len(seeds[system["id"]]) > 1 else "")
        + (" (fusion)" if system["kind"] == "fusion" else "")
        for system in systems
    }


def line_style(index: int) -> dict[str, Any]:
    """Colour and dash of the index-th curve; repeats after all combinations."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": LINES[index // len(COLOURS) % len(LINES)],
    }


def percent(value: float) -> str:
    """A rate in [0, 1] as per cent, with as many digits as it deserves."""
    return f"{100 * value:.2f}" if value < 0.1 else f"{100 * value:.1f}"
