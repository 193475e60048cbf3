"""The common part of figures of fingerprints: panels with an axis of frequency."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spoofscope.figures.style import new_figure
from spoofscope.fingerprints.spectra import Floats

MOST_POINTS = 512
"""Most points of a line, about the columns of pixels of a panel; a point may be several bands."""

PER_ROW = 4
"""Panels beside each other."""


def points(frequencies: Floats, values: Floats) -> pl.DataFrame:
    """The points of a panel: hz, mean, lowest and highest of at most `MOST_POINTS` band groups."""
    groups = np.array_split(np.arange(values.size), min(MOST_POINTS, values.size))
    rows = [
        (frequencies[i].mean(), values[i].mean(), values[i].min(), values[i].max()) for i in groups
    ]
    return pl.DataFrame(rows, schema=["hz", "mean", "lowest", "highest"], orient="row")


def plot(axes: Axes, shown: pl.DataFrame, colour: str, label: str) -> None:
    """The means as a line, and a shade from the lowest to the highest band of each point."""
    kilohertz = (shown["hz"] / 1000).to_list()
    low, high = shown["lowest"].to_list(), shown["highest"].to_list()
    if low != high:
        axes.fill_between(kilohertz, low, high, color=colour, alpha=0.25, linewidth=0)
    axes.plot(kilohertz, shown["mean"].to_list(), color=colour, linewidth=0.7, label=label)


def panels(n: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with n panels, at most four in a row, all with an axis of frequency."""
    columns = min(n, PER_ROW)
    rows = -(-n // columns)
    figure = new_figure(2.1 * columns + 0.3, height * rows + 0.5)
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(n)]
    for i, each in enumerate(axes):
        if i + columns >= n:
            each.set_xlabel("frequency (kHz)")
    return figure, axes


def name_lines(figure: Figure, axes: list[Axes]) -> None:
    """One legend for all panels, in two columns where there is room."""
    handles, labels = axes[0].get_legend_handles_labels()
    columns = 1 if len(axes) == 1 else 2
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)
