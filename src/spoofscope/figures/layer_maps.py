"""The common part of heat maps over layers: a labelled grid of numbers on a given scale."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.image import AxesImage

CELL = 0.17
"""Inches of a cell's side."""


def heat_map(
    axes: Axes,
    values: npt.NDArray[np.float64],
    rows: Sequence[str],
    layers: Sequence[int],
    scale: tuple[float, float],
    colours: str,
) -> AxesImage:
    """Draw numbers (rows, layers); a cell without a number (NaN) is grey.

    All maps of a figure have the same scale: a row with a scale from its own smallest to its
    largest value would make a tiny difference look like a strong preference.

    Args:
        axes: the axes to draw on.
        values: (rows, layers).
        rows: labels of the rows.
        layers: index of each hidden state.
        scale: the values of both ends of the colours.
        colours: a colour map of matplotlib.
    """
    image = axes.imshow(
        values, cmap=colours, norm=Normalize(*scale), aspect="auto", interpolation="none"
    )
    axes.set_facecolor("#dddddd")
    axes.set_yticks(range(len(rows)), rows, fontsize=7)
    every = 1 + len(layers) // 26
    axes.set_xticks(range(0, len(layers), every), [str(layer) for layer in layers[::every]])
    axes.set_xlabel("hidden state (0 = input of layer 1)")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return image
