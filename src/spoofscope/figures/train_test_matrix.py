"""What each detector was trained on against what it was tested on."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from spoofscope.exhibits import Figure
from spoofscope.figures.fitting import shortened
from spoofscope.figures.style import (
    ERRORS,
    PAGE,
    frame,
    interval_words,
    legend_below,
    new_figure,
    note,
    pages,
    people,
    save,
    system_labels,
)
from spoofscope.names import MACRO, POOLED
from spoofscope.summaries.generator_matrix import attacks_trained_on
from spoofscope.summaries.inputs import read_metrics

FIGURE = Figure(
    title="Trained on, tested on",
    shows="EER of every detector, by its training data, on every attack.",
    caption=(
        "Equal error rate (%) of every detector against every attack, with the 95 % interval "
        "below it, unless a class has fewer than two speakers (clips, if these are resampled); n: "
        "spoofed clips of the attack. Values above 50 % are correct: the detector "
        "ranks that attack as more bona fide than real speech. A detector is named with its "
        "training data; a frame marks an attack of the tested corpus in it, of a fusion in that of "
        "one of its detectors. What a system was trained on elsewhere is not known, and has no "
        "frames."
    ),
    needs="metrics_by_training",
    place=140,
)

# Most columns and rows of a block, and inches of a row and of what is around a block.
_ACROSS, _DOWN = 10, 18
_ROW, _AROUND, _LEGEND = 0.36, 1.35, 0.25
_LONGEST = 34

_Column = tuple[str, str, str, str]


def draw(
    systems: Sequence[Mapping[str, Any]],
    metrics: Sequence[str],
    data: Mapping[str, str],
    outputs: Mapping[str, str],
) -> None:
    """Draw EERs: rows are systems with their training data, columns are attacks.

    A cell is the EER of that attack's trials against all bona fide trials of the set; the
    column "pooled" takes all spoofs together. EERs above 50 % are shown as they are. Below each
    stands its 95 % interval. Many columns or rows are drawn in blocks below each other.

    Args:
        systems: as in `eer_by_condition.draw`, with `train`: the sources of the training data, as
            in `summaries.generator_matrix.attacks_trained_on`, or None where they are not known.
        metrics, outputs: as in `eer_by_condition.draw`.
        data: corpus to which audio it holds.
    """
    labels = system_labels(systems)
    trained = {
        (system["id"], system["seed"]): f"of {len(system['trained_on'])} detectors"
        if system["kind"] == "fusion"
        else ", ".join(map(people().trained_on, system["trained_on"]))
        for system in systems
    }
    table = read_metrics(metrics).filter(
        (pl.col("metric") == "eer")
        & pl.col("condition").is_in([POOLED, "attack"])
        & (pl.col("level") != MACRO)
    )
    columns: list[_Column] = (
        table.select("corpus", "split", "condition", "level")
        .unique()
        .sort("corpus", "split", pl.col("condition") != POOLED, "level")
        .rows()
    )
    cells = {
        (
            (row["system"], row["seed"]),
            (row["corpus"], row["split"], row["condition"], row["level"]),
        ): row
        for row in table.iter_rows(named=True)
    }
    seen = {
        ((system["id"], system["seed"]), corpus): attacks_trained_on(system["train"] or (), audio)
        for system in systems
        for corpus, audio in data.items()
    }
    names = {key: f"{label}\n{shortened(trained[key], _LONGEST)}" for key, label in labels.items()}
    blocks = [
        (list(names)[top : top + _DOWN], columns[left : left + _ACROSS])
        for top in range(0, len(names), _DOWN)
        for left in range(0, len(columns), _ACROSS)
    ]
    heights = [_ROW * len(down) + _AROUND for down, _ in blocks]
    several = len({(corpus, split) for corpus, split, _, _ in columns}) > 1
    figures = []
    for page in pages(heights, _LEGEND):
        of_page = [heights[i] for i in page]
        figure = new_figure(PAGE, sum(of_page) + _LEGEND)
        figures.append(figure)
        panels = figure.subplots(len(page), 1, squeeze=False, height_ratios=of_page)[:, 0]
        image: Any = None
        for axes, i in zip(panels, page, strict=True):
            down, across = blocks[i]
            image = _block(axes, [[cells.get((row, column)) for column in across] for row in down])
            for y, row in enumerate(down):
                for x, (corpus, _, condition, level) in enumerate(across):
                    if condition != POOLED and level in seen[row, corpus]:
                        axes.add_patch(frame((x - 0.46, y - 0.45), 0.92, 0.9))
            axes.set_yticks(range(len(down)), [names[row] for row in down], fontsize=7)
            counts = [_count(table, column) for column in across]
            texts = [
                (f"{people().corpus(corpus)}: " if several else "")
                + (POOLED if condition == POOLED else people().attack(level))
                + f"\n(n = {count})"
                for (corpus, _, condition, level), count in zip(across, counts, strict=True)
            ]
            axes.set_xticks(range(len(across)), texts, rotation=35, ha="right")
            axes.set_xlim(-0.5, max(len(across), 4) - 0.5)
        panels[-1].set_xlabel("tested on (attack against all bona fide)")
        figure.supylabel("detector and training data", fontsize=8)
        words = interval_words("below the EER: its 95 % interval", table["ci_low"])
        framed = [frame((0, 0), 1, 1)] if any(axes.patches for axes in panels) else []
        names_of_key = [*["in its training"] * len(framed), *words]
        legend_below(figure, [*framed, *map(note, words)], names_of_key)
        figure.colorbar(
            image,
            ax=list(panels),
            label="EER (%)",
            extend="max",
            pad=0.01,
        )
    numbers = (
        "system",
        "seed",
        "corpus",
        "split",
        "condition",
        "level",
        "value",
        "ci_low",
        "ci_high",
    )
    save(figures, outputs, table.select(numbers))


def _block(axes: Axes, rows: Sequence[Sequence[Mapping[str, Any] | None]]) -> Any:
    """Cells with their numbers; the image."""
    values: npt.NDArray[np.float64] = np.array(
        [
            [np.nan if cell is None or cell["value"] is None else cell["value"] for cell in row]
            for row in rows
        ]
    )
    for (i, j), value in np.ndenumerate(values):
        cell = rows[i][j]
        dark = not np.isnan(value) and value > 0.25
        colour = "white" if dark else "black"
        text = "-" if np.isnan(value) else f"{100 * value:.1f}"
        has_interval = cell is not None and cell["ci_low"] is not None
        y = i - 0.15 if has_interval else i
        axes.text(j, y, text, ha="center", va="center", fontsize=7.5, color=colour)
        if cell is not None and has_interval:
            interval = f"{100 * cell['ci_low']:.0f}–{100 * cell['ci_high']:.0f}"
            axes.text(j, i + 0.25, interval, ha="center", va="center", fontsize=7, color=colour)
    axes.grid(visible=False)
    return axes.imshow(
        100 * values, cmap=ERRORS, norm=Normalize(0, 50), aspect="auto", interpolation="none"
    )


def _count(table: pl.DataFrame, column: _Column) -> int:
    corpus, split, condition, level = column
    of_column = table.filter(corpus=corpus, split=split, condition=condition, level=level)
    return int(of_column["n_spoof"][0])
