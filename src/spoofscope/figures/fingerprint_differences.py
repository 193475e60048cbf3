"""Differences of fingerprints from bona fide speech, and their agreement over disjoint halves."""

import math
from collections.abc import Mapping

import polars as pl
from matplotlib.ticker import FixedLocator, NullLocator

from spoofscope.exhibits import Figure
from spoofscope.figures.spectra import name_lines, panels, plot, points
from spoofscope.figures.style import COLOURS, people, save
from spoofscope.fingerprints.means import read_fingerprints
from spoofscope.names import ALL_GENERATORS
from spoofscope.p_values import p_is, p_number
from spoofscope.tables import read_table

FIGURE = Figure(
    title="Differences from bona fide speech",
    shows="Differences of mean spectra from bona fide speech, with the agreement of clip halves.",
    caption=(
        "Mean magnitudes of bona fide speech over those of a generator, in dB; a "
        "value below zero means that the generator has more energy. Green: wavelet packets; "
        "grey: root of the mean power in frames of 256 samples. The first panel shows all "
        "generators together, with equal weights. The titles give the correlation of the "
        "differences from disjoint halves of the clips, the share of permutations of the labels "
        "that reach this correlation, corrected for the number of generators, and the lower bound "
        "of this share. Between -1 and 1 dB the axis is linear, beyond it logarithmic; it is the "
        "same in all panels."
    ),
    needs="stable_spectra",
    place=420,
    section="fingerprint",
)

_ENERGY = "#444444"
_DECIBELS = 20 / math.log(10)
"""Of magnitudes that differ by a factor of e."""
_STABILITY: dict[str, pl.DataType] = {
    "structure": pl.String(),
    "generator": pl.String(),
    "other": pl.String(),
    "pearson": pl.Float64(),
}


def _agreement(stability: str) -> dict[str, str]:
    """For every generator, the agreement of halves of its clips, in words."""
    table = read_table(stability, _STABILITY).filter(
        (pl.col("structure") == "whole") & (pl.col("generator") == pl.col("other"))
    )
    return {
        row["generator"]: (
            f"halves: r = {row['pearson']:.2f}, {p_is(float(row['p_holm']))}\n"
            f"(p cannot be below {p_number(float(row['p_smallest']))})"
        )
        for row in table.filter(pl.col("p") != "").iter_rows(named=True)
    }


def draw(fingerprints: str, stability: str, outputs: Mapping[str, str]) -> None:
    """Draw one panel per generator, and first one of their average.

    Args:
        fingerprints: see `fingerprints.means.write_fingerprints`.
        stability: see `fingerprints.stability.compare_halves`.
        outputs: `pdf`, `png`, `tsv`.
    """
    read = read_fingerprints(fingerprints)
    agreement = _agreement(stability)
    names = [ALL_GENERATORS, *read.sources[1:]]
    if len(names) == 2:
        names = names[1:]
    figures, axes = panels(len(names), 1.95)
    lowest, highest = -1.5, 1.5
    tables = []
    for panel, name in zip(axes, names, strict=True):
        for kind, colour, label in (
            ("packets", COLOURS[0], "wavelet packets"),
            ("energy", _ENERGY, "average energy, short frames"),
        ):
            if name == ALL_GENERATORS:
                values = read.average_difference(kind)
            else:
                values = read.differences(kind)[read.sources.index(name) - 1]
            values = _DECIBELS * values
            frequencies = read.frequencies(kind)
            # At 0 Hz there is no sound, and a microphone's offset would set the scale.
            shown = points(frequencies[frequencies > 0], values[frequencies > 0])
            plot(panel, shown, colour, label)
            tables.append(
                shown.select(
                    pl.lit(name).alias("generator"), pl.lit(kind).alias("spectrum"), pl.all()
                )
            )
        panel.axhline(0, color="#777777", linewidth=0.6)
        panel.set_xlim(0, read.sample_rate / 2000)
        subtitle = agreement.get(name, f"mean of {len(names) - 1}")
        panel.set_title(f"{people().attack(name)}\n{subtitle}", fontsize=8)
        panel.set_yscale("symlog", linthresh=1, linscale=0.7)
        panel.yaxis.set_major_locator(FixedLocator([-100, -10, -1, 0, 1, 10, 100]))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_locator(NullLocator())
        lowest, highest = min(lowest, *panel.get_ylim()), max(highest, *panel.get_ylim())
    for panel in axes:
        panel.set_ylim(lowest, highest)
    for figure in figures:
        figure.supylabel("bona fide over generator (dB)", fontsize=8)
    name_lines(figures)
    save(figures, outputs, pl.concat(tables))
