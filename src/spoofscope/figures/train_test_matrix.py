"""What each detector was trained on against what it was tested on."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.colors import Normalize

from spoofscope.exhibits import Figure
from spoofscope.figures.style import new_figure, percent, save, system_labels
from spoofscope.names import MACRO, POOLED
from spoofscope.summaries.inputs import read_metrics

FIGURE = Figure(
    title="Trained on, tested on",
    shows="EER of every detector, by its training data, on every attack.",
    caption=(
        "Equal error rate (%) of every detector against every attack, with the 95 % interval "
        "below it. Values above 50 % are correct: the detector ranks that attack as more bona "
        "fide than real speech."
    ),
    needs="shown_metrics",
    place=140,
)


def draw(
    systems: Sequence[Mapping[str, Any]], metrics: Sequence[str], outputs: Mapping[str, str]
) -> None:
    """Draw EERs: rows are systems with their training data, columns are attacks.

    A cell is the EER of that attack's trials against all bona fide trials of the set; the
    column "pooled" takes all spoofs together. EERs above 50 % are shown as they are. Below each
    stands its 95 % interval.
    Arguments as in `eer_by_condition.draw`.
    """
    labels = system_labels(systems)
    trained = {
        (system["id"], system["seed"]): f"of {len(system['trained_on'])} detectors"
        if system["kind"] == "fusion"
        else ", ".join(system["trained_on"])
        for system in systems
    }
    table = read_metrics(metrics).filter(
        (pl.col("metric") == "eer")
        & pl.col("condition").is_in([POOLED, "attack"])
        & (pl.col("level") != MACRO)
    )
    columns = (
        table.select("corpus", "split", "condition", "level")
        .unique()
        .sort("corpus", "split", pl.col("condition") != POOLED, "level")
        .rows()
    )
    values = np.full((len(labels), len(columns)), np.nan)
    intervals: dict[tuple[int, int], str] = {}
    for row in table.iter_rows(named=True):
        key = (row["corpus"], row["split"], row["condition"], row["level"])
        if row["value"] is not None:
            place = list(labels).index((row["system"], row["seed"])), columns.index(key)
            values[place] = row["value"]
            if row["ci_low"] is not None:
                intervals[place] = f"{100 * row['ci_low']:.0f}–{100 * row['ci_high']:.0f}"
    figure = new_figure(2.6 + 0.62 * len(columns), 1.5 + 0.36 * len(labels))
    axes = figure.add_subplot()
    image = axes.imshow(
        100 * values, cmap="cividis_r", norm=Normalize(0, 50), aspect="auto", interpolation="none"
    )
    for (i, j), value in np.ndenumerate(values):
        text = "-" if np.isnan(value) else percent(value)
        dark = not np.isnan(value) and value > 0.25
        colour = "white" if dark else "black"
        interval = intervals.get((i, j))
        y = i if interval is None else i - 0.13
        axes.text(j, y, text, ha="center", va="center", fontsize=7, color=colour)
        if interval is not None:
            axes.text(j, i + 0.27, interval, ha="center", va="center", fontsize=5, color=colour)
    axes.set_yticks(
        range(len(labels)),
        [f"{label}\n{_shorten(trained[key])}" for key, label in labels.items()],
        fontsize=6.5,
    )
    several = len({(corpus, split) for corpus, split, _, _ in columns}) > 1
    axes.set_xticks(
        range(len(columns)),
        [
            (f"{corpus}: " if several else "") + (POOLED if condition == POOLED else level)
            for corpus, _, condition, level in columns
        ],
        rotation=35,
        ha="right",
    )
    axes.grid(visible=False)
    axes.set_xlabel("tested on (attack against all bona fide)")
    axes.set_ylabel("detector and training data")
    figure.colorbar(image, ax=axes, label="EER (%)", extend="max", pad=0.01)
    save(
        figure,
        outputs,
        table.select(
            "system", "seed", "corpus", "split", "condition", "level", "value", "ci_low", "ci_high"
        ),
    )


def _shorten(text: str, limit: int = 34) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
