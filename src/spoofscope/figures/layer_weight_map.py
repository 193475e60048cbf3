"""Heat map of learned layer weights: mean over seeds, on one scale for all detectors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from spoofscope.exhibits import Figure
from spoofscope.figures.layer_maps import heat_map
from spoofscope.figures.style import AMOUNTS, PAGE, new_figure, pages, people, save
from spoofscope.summaries.layers import read_weights

FIGURE = Figure(
    title="Learned layer weights of all detectors",
    shows="Learned weights of the SSL layers, mean over seeds, as a heat map on one scale.",
    caption=(
        "Mean over training seeds of the weights, as log2 of weight times number of layers: 0 "
        "(white) is the uniform mix from which training starts, 1 is twice that weight, -1 half "
        "of it. All rows and maps have the same scale, which reaches at least from half to twice "
        "the uniform weight, so a small preference looks small. Detectors that mix no layers have "
        "no row. The table has raw parameters, softmax weights, weights times gain and effective "
        "numbers of layers, each with its standard deviation over seeds."
    ),
    needs="layer_mixes",
    place=320,
    section="layer",
)

# The colours reach at least to twice the uniform weight and to half of it, so that smaller
# differences look small.
_SMALLEST_SCALE = 1.0
# Inches of a row, around a map, and of the colours' key.
_ROW, _AROUND, _FOOT = 0.3, 0.45, 0.75
_MOST_ROWS = 24


def over_seeds(weights: pl.DataFrame) -> pl.DataFrame:
    """Mean and standard deviation of layer weights over the seeds of a run.

    Args:
        weights: as `summaries.layers.read_weights` gives them.

    Returns:
        One row per run, mix and layer: run, mix, layer, then of raw, weight, corrected,
        effective_layers and corrected_effective_layers the mean and, with the suffix `_sd`, the
        standard deviation (sample, n - 1; null for one seed), and n_seeds.
    """
    numbers = ("raw", "weight", "corrected", "effective_layers", "corrected_effective_layers")
    return weights.group_by("run", "mix", "layer", maintain_order=True).agg(
        *(pl.col(name).mean() for name in numbers),
        *(pl.col(name).std().alias(f"{name}_sd") for name in numbers),
        n_seeds=pl.len().cast(pl.Int64),
    )


def draw(
    systems: Sequence[Mapping[str, Any]], layers: Sequence[str], outputs: Mapping[str, str]
) -> None:
    """Draw a row per detector and mix, a column per hidden state: log2 of weight times layers.

    0, white, is the uniform mix, 1 twice as much, -1 half. So detectors of different depth can be
    compared, and the scale is the same for all rows and both maps: a map of the softmax weights
    and, if any detector has such gains, a map of the weights times the gains of the layers' norms.
    The table has the weights themselves, with their spread over seeds.

    Arguments as in `layer_weights.draw`.
    """
    described = {system["id"]: system for system in systems}
    table = over_seeds(read_weights(layers))
    rows = table.select("run", "mix").unique(maintain_order=True).rows()
    states = sorted(table["layer"].unique().to_list())
    maps = [("weight", "softmax weight")] if rows else []
    if (table["corrected"] != table["weight"]).any():
        maps.append(("corrected", "softmax weight × gain"))
    grids = [_relative(table, name, rows, states) for name, _ in maps]
    largest = max(
        [_SMALLEST_SCALE, *(float(np.nanmax(np.abs(grid))) for grid in grids if grid.size)]
    )
    labels = [_label(described[run], mix, _seeds(table, run)) for run, mix in rows]
    figures = []
    if not maps:
        figures.append(new_figure(PAGE, 0.5))
        figures[0].suptitle("no detector mixes layers")
    starts = range(0, len(labels), _MOST_ROWS)
    blocks = [
        (title, grid, start)
        for grid, (_, title) in zip(grids, maps, strict=True)
        for start in starts
    ]
    heights = [_ROW * len(labels[start : start + _MOST_ROWS]) + _AROUND for _, _, start in blocks]
    for page in pages(heights, _FOOT):
        of_page = [heights[i] for i in page]
        figure = new_figure(PAGE, sum(of_page) + _FOOT)
        figures.append(figure)
        panels = figure.subplots(len(page), 1, squeeze=False, height_ratios=of_page)[:, 0]
        image: Any = None
        for axes, i in zip(panels, page, strict=True):
            title, grid, start = blocks[i]
            some = slice(start, start + _MOST_ROWS)
            image = heat_map(axes, grid[some], labels[some], states, (-largest, largest), AMOUNTS)
            axes.set_title(title, fontsize=8, loc="left")
            axes.set_xlabel("")
        panels[-1].set_xlabel("hidden state (0 = input of layer 1)")
        figure.colorbar(
            image,
            ax=list(panels),
            label="log₂ (weight × layers): 0 is the uniform mix, 1 twice as much; grey: no state",
            location="bottom",
            aspect=40,
        )
    named = pl.DataFrame(
        [(run, described[run]["name"], _corpora(described[run])) for run in described],
        schema=["run", "detector", "trained_on"],
        orient="row",
    )
    save(figures, outputs, named.join(table, on="run", maintain_order="right", how="right"))


def _relative(
    table: pl.DataFrame, name: str, rows: Sequence[tuple[str, str]], states: Sequence[int]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """log2 of weight times number of layers, (rows, states); NaN where there is no such layer."""
    grid = np.full((len(rows), len(states)), np.nan)
    for i, (run, mix) in enumerate(rows):
        mix_weights = table.filter((pl.col("run") == run) & (pl.col("mix") == mix))
        for layer, weight in mix_weights.select("layer", name).rows():
            # A gain can be exactly zero.
            grid[i, states.index(layer)] = np.log2(max(weight * mix_weights.height, 2.0**-20))
    return grid


def _seeds(table: pl.DataFrame, run: str) -> int:
    return int(table.filter(pl.col("run") == run)["n_seeds"][0])


def _corpora(system: Mapping[str, Any]) -> str:
    return ", ".join(system["trained_on"])


def _label(system: Mapping[str, Any], mix: str, seeds: int) -> str:
    corpora = ", ".join(map(people().trained_on, system["trained_on"]))
    short = corpora if len(corpora) <= 34 else f"{corpora[:33]}…"
    of_seeds = f", {seeds} seeds" if seeds > 1 else ""
    return f"{people().system(system['name'])}: {mix}{of_seeds}\n{short}"
