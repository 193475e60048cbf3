"""The pictures of a case report about likelihood ratios: Tippett plot and reliability diagram."""

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spoofscope.figures.fitting import fit_names
from spoofscope.figures.style import (
    BONAFIDE,
    COLOURS,
    PAGE,
    SPOOF,
    TALLEST,
    fonts_for,
    legend_below,
    new_figure,
    settle,
)
from spoofscope.selection.operating_points import Floats

_HEIGHT, _LEGEND = 2.7, 0.35
_FEW = 5
"""Clips of a bin; fewer say next to nothing about its frequency."""


class Ratios(NamedTuple):
    """The calibrated ratios of a set of trials.

    Attributes:
        title: of the set.
        bonafide, spoof: natural-log likelihood ratios (n,) of the classes.
        reliability: see `metrics.reliability`.
    """

    title: str
    bonafide: Floats
    spoof: Floats
    reliability: pl.DataFrame


def validation_picture(
    sets: Sequence[Ratios], calibration: Mapping[str, Any], own: float | None
) -> bytes:
    """Tippett plot and reliability diagram of every set, a line each, as a PNG file.

    Args:
        sets: one to three.
        calibration: of the detector, whose bounds are drawn.
        own: natural-log likelihood ratio of the recording; None where it has none.
    """
    figure = new_figure(PAGE, _HEIGHT * len(sets) + _LEGEND)
    panels = figure.subplots(len(sets), 2, squeeze=False, width_ratios=[1.5, 1])
    shown: dict[str, Any] = {}
    for (left, right), each in zip(panels, sets, strict=True):
        shown |= _tippett(left, each, calibration, own)
        _reliability(right, each.reliability)
        left.set_title(each.title, loc="left", fontsize=8)
    panels[-1][0].set_xlabel("log10 likelihood ratio (right: bona fide, left: spoof)")
    panels[-1][1].set_xlabel("predicted p(bona fide)")
    legend_below(figure, list(shown.values()), list(shown))
    return png_of(figure)


def _tippett(
    axes: Axes, each: Ratios, calibration: Mapping[str, Any], own: float | None
) -> dict[str, Any]:
    bounds = [calibration[end] / math.log(10) for end in ("lower", "upper")]
    room = 0.08 * (bounds[1] - bounds[0]) or 0.5
    ends = bounds[0] - room, bounds[1] + room
    shown: dict[str, Any] = {}
    for name, ratios, colour in (
        ("bona fide clips", each.bonafide, BONAFIDE),
        ("spoofs", each.spoof, SPOOF),
    ):
        values = np.concatenate([[ends[0]], np.sort(ratios) / math.log(10), [ends[1]]])
        shares = 100 * np.concatenate([[1], np.arange(ratios.size, 0, -1) / ratios.size, [0]])
        (shown[name],) = axes.step(values, shares, where="pre", color=colour)
    for bound in bounds:
        shown["bounds of the detector"] = axes.axvline(
            bound, color="#777777", linestyle=":", linewidth=1
        )
    axes.axvline(0, color="black", linewidth=0.6)
    if own is not None:
        shown["this recording"] = axes.axvline(
            own / math.log(10), color=COLOURS[2], linestyle="--", linewidth=1.4
        )
    axes.set_xlim(*ends)
    axes.set_ylim(-2, 102)
    axes.set_ylabel("% of clips with at least this ratio", fontsize=7)
    return shown


def _reliability(axes: Axes, table: pl.DataFrame) -> None:
    axes.axline((0, 0), slope=1, color="#bbbbbb", linewidth=0.8, zorder=0)
    predicted, observed = table["predicted"].to_numpy(), table["observed"].to_numpy()
    for x, low, high in zip(predicted, table["ci_low"], table["ci_high"], strict=True):
        if low is not None:
            axes.plot([x, x], [low, high], color=COLOURS[0], linewidth=0.8, alpha=0.7)
    many = (table["n_bonafide"] + table["n_spoof"]).to_numpy() >= _FEW
    for some, face in ((many, COLOURS[0]), (~many, "white")):
        axes.scatter(
            predicted[some], observed[some], s=22, facecolors=face, edgecolors=COLOURS[0], zorder=3
        )
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("share of bona fide", fontsize=7)


def png_of(figure: Figure) -> bytes:
    """The figure as a PNG file, the same bytes for the same figure; it is closed."""
    fit_names(figure, TALLEST)
    with (
        mpl.rc_context({"font.sans-serif": fonts_for(figure)}),
        warnings.catch_warnings(),
        io.BytesIO() as buffer,
    ):
        # `fonts_for` already warns once about a character that no font has.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        settle(figure)
        figure.savefig(buffer, format="png", dpi=200, metadata={"Software": None})
        plt.close(figure)
        return buffer.getvalue()
