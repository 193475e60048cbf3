"""Learned weights of the SSL layers."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.exhibits import Figure
from spoofscope.figures.style import COLOURS, new_figure, save, system_labels
from spoofscope.summaries.layers import read_weights

FIGURE = Figure(
    title="Learned layer weights",
    shows="Learned weights of the SSL layers, per detector and seed.",
    caption=(
        "Softmax weight of each hidden state of the backbone. The dotted line is the uniform mix "
        "from which training starts; 'eff.' is the effective number of layers, the exponential of "
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

_PER_ROW = 4
_PANELS = 24


def draw(
    systems: Sequence[Mapping[str, Any]], layers: Sequence[str], outputs: Mapping[str, str]
) -> None:
    """Draw one panel per detector: softmax weight of each hidden state, one line per seed and mix.

    If the layers are normed with a learned gain before the mix, a dashed line of the same colour is
    the weight times that gain, scaled to sum 1. The dotted line is the uniform mix, where training
    starts. Detectors that read a single layer have no weights and no panel. At most the first 24
    detectors are drawn; the table and the heat map have all.

    Args:
        systems: id, seed and name of every system.
        layers: tables of layer weights, see `summaries.layers.read_weights`.
        outputs: `pdf`, `png`, `tsv`.
    """
    names = {system["id"]: system["name"] for system in systems}
    labels = system_labels(systems)
    table = read_weights(layers)
    mixing = table["run"].unique(maintain_order=True).to_list()
    runs = mixing[:_PANELS]
    columns = min(max(len(runs), 1), _PER_ROW)
    n_rows = -(-len(runs) // columns)
    figure = new_figure(2.5 * columns + 0.4, 2.6 * n_rows if runs else 0.4)
    for panel, run in enumerate(runs, start=1):
        axes = figure.add_subplot(n_rows, columns, panel)
        of_run = table.filter(pl.col("run") == run)
        for i, key in enumerate(of_run.select("seed", "mix").unique(maintain_order=True).rows()):
            seed, mix = key
            line = of_run.filter((pl.col("seed") == seed) & (pl.col("mix") == mix)).sort("layer")
            seeded = labels[run, seed] != names[run]
            colour = COLOURS[i % len(COLOURS)]
            axes.plot(
                line["layer"].to_list(),
                line["weight"].to_list(),
                marker="o",
                markersize=3,
                color=colour,
                label=f"{mix}{f', seed {seed}' if seeded else ''}: "
                f"{line['effective_layers'][0]:.2f} eff.",
            )
            if (line["corrected"] != line["weight"]).any():
                axes.plot(
                    line["layer"].to_list(),
                    line["corrected"].to_list(),
                    linestyle="--",
                    color=colour,
                    label=f"times gain: {line['corrected_effective_layers'][0]:.2f} eff.",
                )
        count = of_run["layer"].n_unique()
        axes.axhline(1 / count, color="#888888", linestyle=":", linewidth=0.9)
        shown = sorted(of_run["layer"].unique().to_list())
        axes.set_xticks(shown[:: 1 + len(shown) // 14])
        largest = of_run.select(pl.max_horizontal("weight", "corrected").max()).item()
        # Room for the legend above the curves.
        entries = len(axes.get_legend_handles_labels()[1])
        axes.set_ylim(0, (1.1 + 0.1 * entries) * largest)
        axes.set_xlabel("hidden state (0 = input of layer 1)")
        axes.set_ylabel("softmax weight")
        axes.set_title(names[run])
        axes.legend(loc="upper center", fontsize=6, labelspacing=0.2)
    if not runs:
        figure.suptitle("no detector mixes layers")
    elif len(runs) < len(mixing):
        figure.suptitle(f"the first {len(runs)} of {len(mixing)} detectors")
    save(figure, outputs, table)
