"""Heat map of linear probes: EER per layer, for every level of every condition."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from spoofscope.exhibits import Figure
from spoofscope.figures.layer_maps import CELL, heat_map
from spoofscope.figures.style import new_figure, save
from spoofscope.names import ALL, POOLED
from spoofscope.summaries.layers import read_probes

FIGURE = Figure(
    title="Information in each layer, by condition",
    shows="EER of linear probes per layer and condition, as a heat map.",
    caption=(
        "Equal error rate of linear probes per layer; the colour scale is fixed, from 0 to 50 %. "
        "A dot marks the lowest rate of a row. An attack is compared with all bona fide clips; "
        "for other conditions both classes are of that level. The numbers of bona fide + spoofed "
        "clips are in brackets."
    ),
    needs="probed_layers",
    place=350,
    section="layer",
)


def draw(probes: Sequence[str], outputs: Mapping[str, str]) -> None:
    """Draw a row per probe, test set and level, a column per hidden state.

    The colour scale is fixed, from 0 to 50 % EER. The layer with the lowest EER of a row has a dot;
    several layers have it if they are equal, and none has it if all are equal.

    Args:
        probes: tables of probes.
        outputs: `pdf`, `png`, `tsv`.
    """
    table = read_probes(probes)
    keys = ["probe", "corpus", "split", "condition", "level"]
    rows = (
        table.select(*keys, "n_bonafide", "n_spoof")
        .unique(maintain_order=True)
        .sort("probe", "corpus", "split", pl.col("condition") != POOLED, maintain_order=True)
    )
    states = sorted(table["layer"].unique().to_list())
    values = np.full((rows.height, len(states)), np.nan)
    place = {key: i for i, key in enumerate(rows.select(keys).rows())}
    for row in table.iter_rows(named=True):
        values[place[tuple(row[key] for key in keys)], states.index(row["layer"])] = row["eer"]
    several = rows.select("corpus", "split").n_unique() > 1
    labels = [_label(row, several) for row in rows.iter_rows(named=True)]
    figure = new_figure(
        0.055 * max(map(len, labels)) + max(CELL * len(states), 1.6) + 1.0,
        0.9 + CELL * max(rows.height, 8),
    )
    axes = figure.add_subplot()
    image = heat_map(axes, 100 * values, labels, states, (0.0, 50.0), "cividis_r")
    for i, best in enumerate(np.nanmin(values, axis=1)):
        lowest = np.flatnonzero(values[i] == best)
        if lowest.size == np.isfinite(values[i]).sum():
            continue
        colour = "white" if best > 0.25 else "black"
        axes.plot(lowest, np.full(lowest.size, i), ".", color=colour, markersize=3)
    for boundary in _boundaries(rows):
        axes.axhline(boundary - 0.5, color="white", linewidth=2)
    # As long as about 16 rows.
    shrink = min(1.0, 16 / rows.height)
    figure.colorbar(
        image, ax=axes, label="EER (%)", extend="max", pad=0.02, shrink=shrink, aspect=14
    )
    save(figure, outputs, table)


def _label(row: Mapping[str, object], several: bool) -> str:
    where = f"{row['corpus']}, {row['split']}: " if several else ""
    level = ALL if row["condition"] == POOLED else f"{row['condition']} {row['level']}"
    return f"{row['probe']}, {where}{level} ({row['n_bonafide']} + {row['n_spoof']})"


def _boundaries(rows: pl.DataFrame) -> list[int]:
    """Rows at which another probe or test set begins."""
    sets = rows.select("probe", "corpus", "split").rows()
    return [i for i in range(1, len(sets)) if sets[i] != sets[i - 1]]
