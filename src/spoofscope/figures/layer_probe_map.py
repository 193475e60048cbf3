"""Heat map of linear probes: EER per layer, for every level of every condition."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from matplotlib.axes import Axes

from spoofscope.exhibits import Figure
from spoofscope.figures.layer_maps import heat_map
from spoofscope.figures.style import (
    COLUMN,
    ERRORS,
    PAGE,
    frame,
    legend_below,
    new_figure,
    pages,
    people,
    save,
)
from spoofscope.names import ALL, POOLED
from spoofscope.summaries.layers import read_probes

FIGURE = Figure(
    title="Information in each layer, by condition",
    shows="EER of linear probes per layer and condition, as a heat map.",
    caption=(
        "Equal error rate of linear probes per layer; the colour scale is fixed, from 0 to 50 %. "
        "Frames mark the lowest rate of a row, which stands beside it with its layers; no frame "
        "means that all layers are equal. An attack is compared with all bona fide clips; "
        "for other conditions both classes are of that level. The numbers of bona fide + spoofed "
        "clips are in brackets."
    ),
    needs="probed_layers",
    place=350,
    section="layer",
)

# Inches of a row, around a block of rows, and of the colours' key.
_ROW, _AROUND, _FOOT = 0.17, 0.45, 1.0
_MOST_ROWS = 40
_FEW_LAYERS = 8


def draw(probes: Sequence[str], outputs: Mapping[str, str]) -> None:
    """Draw a row per probe, test set and level, a column per hidden state.

    The colour scale is fixed, from 0 to 50 % EER. The layer with the lowest EER of a row has a
    frame; several layers have it if they are equal, and none has it if all are equal.

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
    blocks = []
    for (probe, corpus, split), of_block in rows.with_row_index("place").group_by(
        "probe", "corpus", "split", maintain_order=True
    ):
        for start in range(0, of_block.height, _MOST_ROWS):
            blocks.append(
                (f"{probe} on {people().trials(corpus, split)}", of_block.slice(start, _MOST_ROWS))
            )
    heights = [_ROW * of_block.height + _AROUND for _, of_block in blocks]
    width = COLUMN if len(states) <= _FEW_LAYERS else PAGE
    figures = []
    for page in pages(heights, _FOOT):
        of_page = [heights[i] for i in page]
        figure = new_figure(width, sum(of_page) + _FOOT)
        figures.append(figure)
        panels = figure.subplots(len(page), 1, squeeze=False, height_ratios=of_page)[:, 0]
        image: Any = None
        for axes, i in zip(panels, page, strict=True):
            title, of_block = blocks[i]
            of_rows = values[of_block["place"].to_numpy()]
            labels = [_label(row) for row in of_block.iter_rows(named=True)]
            image = heat_map(axes, 100 * of_rows, labels, states, (0.0, 50.0), ERRORS)
            axes.set_title(title, fontsize=8, loc="left")
            axes.set_xlabel("")
            _mark_lowest(axes, of_rows, states)
        panels[-1].set_xlabel("hidden state (0 = input of layer 1)")
        figure.colorbar(
            image, ax=list(panels), label="EER (%)", extend="max", location="bottom", aspect=30
        )
        legend_below(figure, [frame((0, 0), 1, 1)], ["lowest of its row, as at the right"])
    save(figures, outputs, table)


def _mark_lowest(axes: Axes, values: npt.NDArray[np.float64], states: Sequence[int]) -> None:
    """A frame around the lowest rates of each row, and the rate with its layer beside the row."""
    for i, row in enumerate(values):
        best = float(np.nanmin(row))
        lowest = np.flatnonzero(row == best)
        text = f"{100 * best:.1f} %"
        if lowest.size < np.isfinite(row).sum():
            for j in lowest:
                axes.add_patch(frame((j - 0.44, i - 0.42), 0.88, 0.84))
            text += f" at {', '.join(str(states[j]) for j in lowest[:2])}"
            text += ", …" if lowest.size > 2 else ""
        axes.annotate(
            text,
            (1.0, i),
            (4, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            fontsize=7,
            va="center",
            annotation_clip=False,
        )


def _level(condition: str, level: str) -> str:
    return f"{people().condition(condition)} {people().level(condition, level)}"


def _label(row: Mapping[str, Any]) -> str:
    level = ALL if row["condition"] == POOLED else _level(row["condition"], row["level"])
    return f"{level} ({row['n_bonafide']} + {row['n_spoof']})"
