"""Learned weights of the SSL layers."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.figures.style import COLOURS, new_figure, save, system_labels
from spoofscope.tables import read_table

_COLUMNS: dict[str, pl.DataType] = {
    "run": pl.String(),
    "seed": pl.Int64(),
    "mix": pl.String(),
    "layer": pl.Int64(),
    "weight": pl.Float64(),
    "effective_layers": pl.Float64(),
}


def draw(
    systems: Sequence[Mapping[str, Any]], layers: Sequence[str], outputs: Mapping[str, str]
) -> None:
    """Draw one panel per detector: softmax weight of each hidden state, one line per seed and mix.

    The dotted line is the uniform mix, where training starts. Detectors that read a single layer
    have no weights and no panel.

    Args:
        systems: id, seed and name of every system.
        layers: tables of layer weights (run, seed, mix, layer, weight, effective_layers).
        outputs: `pdf`, `png`, `tsv`.
    """
    names = {system["id"]: system["name"] for system in systems}
    labels = system_labels(systems)
    table = pl.concat([read_table(path, _COLUMNS) for path in layers])
    runs = table["run"].unique(maintain_order=True).to_list()
    figure = new_figure(2.5 * max(len(runs), 1) + 0.4, 2.6)
    for panel, run in enumerate(runs, start=1):
        axes = figure.add_subplot(1, len(runs), panel)
        own = table.filter(pl.col("run") == run)
        for i, key in enumerate(own.select("seed", "mix").unique(maintain_order=True).rows()):
            seed, mix = key
            line = own.filter((pl.col("seed") == seed) & (pl.col("mix") == mix)).sort("layer")
            seeded = labels[run, seed] != names[run]
            axes.plot(
                line["layer"].to_list(),
                line["weight"].to_list(),
                marker="o",
                markersize=3,
                color=COLOURS[i % len(COLOURS)],
                label=f"{mix}{f', seed {seed}' if seeded else ''}: "
                f"{line['effective_layers'][0]:.2f} eff.",
            )
        count = own["layer"].n_unique()
        axes.axhline(1 / count, color="#888888", linestyle=":", linewidth=0.9)
        axes.set_xticks(sorted(own["layer"].unique().to_list()))
        axes.set_ylim(0, 1.12 * float(str(own["weight"].max())))
        axes.set_xlabel("hidden state (0 = input of layer 1)")
        axes.set_ylabel("softmax weight")
        axes.set_title(names[run])
        axes.legend()
    save(figure, outputs, table)
