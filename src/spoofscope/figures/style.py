"""One look for all figures, and files that are the same bytes for the same numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import polars as pl
from matplotlib.figure import Figure

from spoofscope.files import atomic_path
from spoofscope.tables import write_table

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
    "font.family": "DejaVu Sans",
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
    """A legend below all axes, in as many columns as the longest label leaves room for."""
    # Inches of a character in the legend's size, and of a handle with the space around it.
    widest = 0.055 * max((len(label) for label in labels), default=0) + 0.5
    columns = max(1, int(figure.get_figwidth() / widest))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=max(1, min(columns, len(labels)))
    )


def save(figure: Figure, outputs: Mapping[str, str], numbers: pl.DataFrame) -> None:
    """Write a figure as PDF and PNG, and its plotted numbers as TSV.

    Args:
        figure: what to save; it is closed afterwards.
        outputs: `pdf`, `png` and `tsv` to file names.
        numbers: what was plotted.
    """
    # Dates and version strings would make two runs with equal numbers differ.
    for suffix, undated in (
        ("pdf", ("CreationDate", "Producer", "Creator")),
        ("png", ("Software",)),
    ):
        with atomic_path(outputs[suffix]) as temporary:
            figure.savefig(temporary, format=suffix, metadata=dict.fromkeys(undated))
    plt.close(figure)
    write_table(outputs["tsv"], numbers)


def system_labels(systems: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], str]:
    """Short label of every (id, seed): its name, with the seed where a detector has several."""
    seeds: dict[str, int] = {}
    for system in systems:
        seeds[system["id"]] = seeds.get(system["id"], 0) + 1
    return {
        (system["id"], system["seed"]): system["name"]
        + (f" (seed {system['seed']})" if seeds[system["id"]] > 1 else "")
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
