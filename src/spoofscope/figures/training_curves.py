"""Losses and development error rates over the epochs of trainings."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    COLUMN,
    PAGE,
    legend_below,
    new_figure,
    pages,
    save,
    system_labels,
)
from spoofscope.tables import read_table

FIGURE = Figure(
    title="Trainings",
    shows="Losses, and error rates on development data, over the epochs of every detector.",
    caption=(
        "Above: mean loss of every epoch on the training data and on the development data. "
        "Below: equal error rate on the development data, on which epochs are selected, so it is "
        "optimistic. Dotted lines are borders between stages. What is fitted in one go, such as a "
        "Gaussian mixture, has no panel."
    ),
    needs="shown_trainings",
    place=195,
)

_COLUMNS = 4
# Inches of a pair of panels, and of the legend.
_HEIGHT, _LEGEND = 2.4, 0.35
_TRAIN, _DEV = "#888888", "#000000"
_SCHEMA: dict[str, pl.DataType] = {"stage": pl.Int64(), "epoch": pl.Int64()}
_NUMBERS = dict.fromkeys(("train_loss", "dev_loss", "dev_eer"), pl.Float64())


def draw(trained: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Draw a pair of panels per training: its losses, and its error rate on dev.

    Args:
        trained: id, seed, name and kind of every detector, and the file `history`.
        outputs: `pdf`, `png`, `tsv`.
    """
    labels = system_labels(trained)
    curves = []
    for entry in trained:
        history = read_table(entry["history"], _SCHEMA, _NUMBERS)
        if history["train_loss"].null_count() < history.height:
            curves.append((entry["id"], entry["seed"], history))
    if not curves:
        figure = new_figure(PAGE, 0.5)
        figure.suptitle("no detector is trained in epochs")
        save(figure, outputs, pl.DataFrame(schema={"system": pl.String(), "seed": pl.Int64()}))
        return
    # Few of them leave most of a page empty.
    width, columns = (COLUMN, 2) if len(curves) <= 2 else (PAGE, _COLUMNS)
    lines = [curves[i : i + columns] for i in range(0, len(curves), columns)]
    figures = []
    for page in pages([_HEIGHT] * len(lines), _LEGEND):
        figure = new_figure(width, _HEIGHT * len(page) + _LEGEND)
        figures.append(figure)
        grid = figure.add_gridspec(len(page), columns)
        for row, i in enumerate(page):
            for column, (system, seed, history) in enumerate(lines[i]):
                parts = grid[row, column].subgridspec(2, 1, height_ratios=[1.5, 1], hspace=0.05)
                upper = figure.add_subplot(parts[0])
                lower = figure.add_subplot(parts[1], sharex=upper)
                _pair(upper, lower, history)
                upper.set_title(labels[system, seed], fontsize=8)
                if column == 0:
                    upper.set_ylabel("loss")
                    lower.set_ylabel("dev EER (%)")
        handles = [
            Line2D([], [], color=_TRAIN, linestyle="--", label="training data"),
            Line2D([], [], color=_DEV, label="development data"),
        ]
        legend_below(figure, handles, [str(handle.get_label()) for handle in handles])
    numbers = [
        history.select(
            pl.lit(system).alias("system"), pl.lit(seed).alias("seed"), *_SCHEMA, *_NUMBERS
        )
        for system, seed, history in curves
    ]
    save(figures, outputs, pl.concat(numbers))


def _pair(upper: Axes, lower: Axes, history: pl.DataFrame) -> None:
    """The losses of one training, and below them its error rate on dev."""
    epochs = history["epoch"].to_list()
    # A point for a single epoch, of which there is no line.
    marker: Any = {"marker": "o", "markersize": 2.5}
    upper.plot(epochs, history["train_loss"].to_list(), "--", color=_TRAIN, **marker)
    upper.plot(epochs, history["dev_loss"].to_list(), color=_DEV, **marker)
    lower.plot(epochs, (100 * history["dev_eer"]).to_list(), color=_DEV, **marker)
    stages = history["stage"].to_list()
    for i in range(1, len(stages)):
        if stages[i] != stages[i - 1]:
            for axes in (upper, lower):
                axes.axvline(epochs[i] - 0.5, color="#777777", linestyle=":", linewidth=0.9)
    # Some losses are below zero.
    lowest, highest = upper.get_ylim()
    lowest = min(0.0, lowest)
    upper.set_ylim(lowest, highest + 0.05 * (highest - lowest))
    lower.set_ylim(0, 1.08 * lower.get_ylim()[1])
    upper.tick_params(labelbottom=False)
    lower.set_xlabel("epoch")
    lower.locator_params(axis="x", nbins=5, integer=True)
    lower.locator_params(axis="y", nbins=3)
