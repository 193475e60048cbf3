"""The common part of figures of fingerprints: panels with an axis of frequency."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spoofscope.figures.style import label_below, legend_below, panel_pages
from spoofscope.fingerprints.spectra import Floats

MOST_POINTS = 512
"""Most points of a line, about the columns of pixels of a panel; a point may be several bands."""

_AROUND = 0.55
"""Inches of the axis' title and of the legend."""

PER_ROW = 3
"""Panels beside each other."""


def points(frequencies: Floats, values: Floats) -> pl.DataFrame:
    """The points of a panel: hz, mean, lowest and highest of at most `MOST_POINTS` band groups."""
    groups = np.array_split(np.arange(values.size), min(MOST_POINTS, values.size))
    rows = [
        (frequencies[i].mean(), values[i].mean(), values[i].min(), values[i].max()) for i in groups
    ]
    return pl.DataFrame(rows, schema=["hz", "mean", "lowest", "highest"], orient="row")


def plot(axes: Axes, shown: pl.DataFrame, colour: str, label: str, line: str = "-") -> None:
    """The means as a line, and a shade from the lowest to the highest band of each point."""
    kilohertz = (shown["hz"] / 1000).to_list()
    low, high = shown["lowest"].to_list(), shown["highest"].to_list()
    if low != high:
        axes.fill_between(kilohertz, low, high, color=colour, alpha=0.25, linewidth=0)
    axes.plot(kilohertz, shown["mean"].to_list(), color=colour, linestyle=line, lw=0.9, label=label)


def panels(n: int, height: float) -> tuple[list[Figure], list[Axes]]:
    """Pages with n panels of a height (inches), three in a row, all with an axis of frequency."""
    figures, drawn = panel_pages(n, PER_ROW, height, _AROUND)
    for figure in figures:
        label_below(figure, "frequency (kHz)")
    return figures, drawn


def name_lines(figures: list[Figure]) -> None:
    """One legend for all panels of a page."""
    for figure in figures:
        legend_below(figure, *figure.axes[0].get_legend_handles_labels())
