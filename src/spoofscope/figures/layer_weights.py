"""Learned weights of the SSL layers."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from matplotlib.axes import Axes

from spoofscope.exhibits import Figure
from spoofscope.figures.style import COLOURS, PAGE, new_figure, pages, people, save, system_labels
from spoofscope.summaries.layers import read_weights

FIGURE = Figure(
    title="Learned layer weights",
    shows="Learned weights of the SSL layers, per detector and seed.",
    caption=(
        "Softmax weight of each hidden state of the backbone. The dotted line is the uniform mix "
        "from which training starts; the effective number of layers is the exponential of "
        "the weights' entropy. If the layers are normed before the mix, the dashed line is the "
        "weight times the learned gain of that norm, scaled to sum 1; this is the real "
        "contribution of a layer. There is one line per mix and seed; a detector that reads a "
        "single hidden state has no weights and no panel. The table also has the trained "
        "parameters of the softmax."
    ),
    needs="layer_mixes",
    place=310,
    section="layer",
)

_PER_ROW = 3
_HEIGHT = 2.5
"""Inches of a line of panels."""


def draw(
    systems: Sequence[Mapping[str, Any]], layers: Sequence[str], outputs: Mapping[str, str]
) -> None:
    """Draw one panel per detector: softmax weight of each hidden state, one line per seed and mix.

    If the layers are normed with a learned gain before the mix, a dashed line of the same colour is
    the weight times that gain, scaled to sum 1. The dotted line is the uniform mix, where training
    starts. Detectors that read a single layer have no weights and no panel.

    Args:
        systems: id, seed and name of every system.
        layers: tables of layer weights, see `summaries.layers.read_weights`.
        outputs: `pdf`, `png`, `tsv`.
    """
    names = {system["id"]: people().system(system["name"]) for system in systems}
    labels = system_labels(systems)
    table = read_weights(layers)
    mixing = table["run"].unique(maintain_order=True).to_list()
    if not mixing:
        figure = new_figure(PAGE, 0.5)
        figure.suptitle("no detector mixes layers")
        save(figure, outputs, table)
        return
    lines = [mixing[i : i + _PER_ROW] for i in range(0, len(mixing), _PER_ROW)]
    figures = []
    for page in pages([_HEIGHT] * len(lines)):
        figure = new_figure(PAGE, _HEIGHT * len(page))
        figures.append(figure)
        panels = figure.subplots(len(page), _PER_ROW, squeeze=False)
        for of_line, i in zip(panels, page, strict=True):
            for axes in of_line[len(lines[i]) :]:
                axes.set_axis_off()
            of_line[0].set_ylabel("softmax weight")
            for axes, run in zip(of_line, lines[i], strict=False):
                seeds = {
                    seed: labels[run, seed] != names[run]
                    for seed in table.filter(pl.col("run") == run)["seed"].unique().to_list()
                }
                _panel(axes, table.filter(pl.col("run") == run), seeds)
                axes.set_title(names[run], fontsize=8)
    save(figures, outputs, table)


def _panel(axes: Axes, of_run: pl.DataFrame, seeds: Mapping[int, bool]) -> None:
    """One detector: a line per seed and mix; `seeds`: which have to be named."""
    for i, key in enumerate(of_run.select("seed", "mix").unique(maintain_order=True).rows()):
        seed, mix = key
        line = of_run.filter((pl.col("seed") == seed) & (pl.col("mix") == mix)).sort("layer")
        colour = COLOURS[i % len(COLOURS)]
        axes.plot(
            line["layer"].to_list(),
            line["weight"].to_list(),
            marker="o",
            markersize=3,
            color=colour,
            label=f"{mix}{f', seed {seed}' if seeds[seed] else ''}: "
            f"{line['effective_layers'][0]:.2f} layers",
        )
        if (line["corrected"] != line["weight"]).any():
            axes.plot(
                line["layer"].to_list(),
                line["corrected"].to_list(),
                linestyle="--",
                color=colour,
                label=f"times gain: {line['corrected_effective_layers'][0]:.2f} layers",
            )
    uniform = 1 / of_run["layer"].n_unique()
    axes.axhline(uniform, color="#888888", linestyle=":", linewidth=0.9, label="uniform mix")
    shown = sorted(of_run["layer"].unique().to_list())
    axes.set_xticks(shown[:: 1 + len(shown) // 10])
    largest = of_run.select(pl.max_horizontal("weight", "corrected").max()).item()
    # Room for the legend above the curves.
    entries = len(axes.get_legend_handles_labels()[1]) + 1
    axes.set_ylim(0, (1.1 + 0.11 * entries) * largest)
    axes.set_xlabel("hidden state (0 = input of layer 1)")
    axes.legend(
        loc="upper center",
        fontsize=7,
        labelspacing=0.2,
        title="effective number of layers",
        title_fontsize=7,
    )
