"""Fingerprints: mean packet magnitudes of every generator over those of bona fide speech."""

from collections.abc import Mapping

import matplotlib.figure
import numpy as np
import polars as pl
from matplotlib.axes import Axes

from spoofscope.exhibits import Figure
from spoofscope.figures.style import BONAFIDE, SPOOF, log_scale, new_figure, save
from spoofscope.fingerprints.means import read_fingerprints
from spoofscope.fingerprints.spectra import Floats

FIGURE = Figure(
    title="Fingerprints",
    shows="Mean spectrum of every generator over that of bona fide speech.",
    caption=(
        "Mean magnitudes of wavelet packet coefficients by frequency, of every generator (orange) "
        "over those of the bona fide speech that it is compared to (blue). Where there are more "
        "bands than points, the line is the mean of a point's bands and the shade reaches from the "
        "lowest to the highest."
    ),
    needs="mean_spectra",
    place=410,
    section="fingerprint",
)

MOST_POINTS = 512
"""A panel has no more columns of pixels to show; a point stands for several bands beyond that."""

_PER_ROW = 4


def points(frequencies: Floats, values: Floats) -> pl.DataFrame:
    """What a panel shows: hz, mean, lowest and highest of at most `MOST_POINTS` groups of bands."""
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


def panels(n: int, height: float) -> tuple[matplotlib.figure.Figure, list[Axes]]:
    """A figure with n panels, at most four in a row, all with an axis of frequency."""
    columns = min(n, _PER_ROW)
    rows = -(-n // columns)
    figure = new_figure(2.1 * columns + 0.3, height * rows + 0.5)
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(n)]
    for i, each in enumerate(axes):
        if i + columns >= n:
            each.set_xlabel("frequency (kHz)")
    return figure, axes


def name_lines(figure: matplotlib.figure.Figure, axes: list[Axes]) -> None:
    """One legend for all panels, in two columns where there is room."""
    handles, labels = axes[0].get_legend_handles_labels()
    columns = 1 if len(axes) == 1 else 2
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def draw(fingerprints: str, outputs: Mapping[str, str]) -> None:
    """Draw one panel per generator.

    Args:
        fingerprints: see `fingerprints.means.write_fingerprints`.
        outputs: `pdf`, `png`, `tsv`.
    """
    read = read_fingerprints(fingerprints)
    frequencies = read.frequencies("packets")
    own, real = read.magnitudes("packets")
    figure, axes = panels(len(read.sources) - 1, 1.6)
    tables = []
    for i, panel in enumerate(axes, start=1):
        source = read.sources[i]
        for values, colour, label in ((real, BONAFIDE, "bona fide"), (own, SPOOF, "generator")):
            shown = points(frequencies, values[i])
            plot(panel, shown, colour, label)
            name = "bonafide" if colour == BONAFIDE else source
            tables.append(
                shown.select(pl.lit(source).alias("generator"), pl.lit(name).alias("of"), pl.all())
            )
        log_scale(panel)
        panel.set_title(f"{source} ({read.n_clips[i]} clips)")
        panel.set_xlim(0, read.sample_rate / 2000)
        if (i - 1) % _PER_ROW == 0:
            panel.set_ylabel("mean |coefficient|")
    name_lines(figure, axes)
    save(figure, outputs, pl.concat(tables))
