"""Score distributions of bona fide and spoof."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from spoofscope.exhibits import Figure
from spoofscope.figures.fitting import shortened
from spoofscope.figures.style import (
    BONAFIDE,
    PAGE,
    SPOOF,
    between,
    interval_words,
    label_below,
    legend_below,
    new_figure,
    note,
    pages,
    people,
    percent,
    save,
    system_labels,
)
from spoofscope.metrics.rates import Floats
from spoofscope.names import POOLED
from spoofscope.settings import stored_threshold
from spoofscope.summaries.inputs import read_metrics, read_scored, sets_of

FIGURE = Figure(
    title="Scores",
    shows="Score distributions of bona fide and spoof, with the decision threshold chosen on dev.",
    caption=(
        "Distribution of the scores of bona fide clips and of spoofs: the share of the clips of "
        "each class in every bin. A higher score means more bona fide. The outermost bins also "
        "hold what lies beyond them. A dashed line is the threshold at the equal error rate of the "
        "development set, where a detector has one; clips on its wrong side are the errors of a "
        "user who fixes the threshold beforehand. In the titles: the EER of the clips that are "
        "shown, and its 95 % interval."
    ),
    needs="shown_decisions_and_rates",
    place=120,
)

_BINS = 40
_COLUMNS = 4
_LONGEST = 20
"""Letters of a set's name beside a line of panels."""
# Inches of a line of panels, of a heading, and of the legend.
_HEIGHT, _LEGEND = 1.45, 0.45
_CHOSEN: Any = {"color": "black", "linestyle": "--", "linewidth": 0.9}
_LOOKS = {"bonafide": ("bona fide", BONAFIDE), "spoof": ("spoof", SPOOF)}


def draw(
    scored: Sequence[Mapping[str, Any]], metrics: Sequence[str], outputs: Mapping[str, str]
) -> None:
    """Draw one panel per system and (corpus, split): shares of both classes.

    The dashed line is the threshold that was chosen on dev; the share of each class on its wrong
    side is the error rate of a user of that threshold.

    Args:
        scored: as in `det_curves.draw`, each with `detector`, the file with the system's threshold;
            None if it is not known, as for external scores.
        metrics: metrics tables of the same score files.
        outputs: `pdf`, `png`, `tsv`.
    """
    labels = system_labels(scored)
    rates = {
        (row["system"], row["seed"], row["corpus"], row["split"]): row
        for row in read_metrics(metrics)
        .filter(metric="eer", condition=POOLED)
        .iter_rows(named=True)
    }
    lines = [
        (place, of_set[i : i + _COLUMNS])
        for place, of_set in sets_of(scored).items()
        for i in range(0, len(of_set), _COLUMNS)
    ]
    figures = []
    rows: list[pl.DataFrame] = []
    for page in pages([_HEIGHT] * len(lines), _LEGEND):
        figure = new_figure(PAGE, _HEIGHT * len(page) + _LEGEND)
        figures.append(figure)
        panels = figure.subplots(len(page), _COLUMNS, squeeze=False)
        for of_line, i in zip(panels, page, strict=True):
            (corpus, split), entries = lines[i]
            for axes in of_line[len(entries) :]:
                axes.set_axis_off()
            for axes, entry in zip(of_line, entries, strict=False):
                system = entry["id"], entry["seed"]
                rows.append(_panel(axes, entry, labels[system], rates[*system, corpus, split]))
            where = shortened(people().trials(corpus, split), _LONGEST)
            of_line[0].set_ylabel(f"{where}\nclips (%)")
        label_below(figure, "score →")
        handles: list[Any] = [
            Patch(facecolor=colour, alpha=0.5, label=name) for name, colour in _LOOKS.values()
        ]
        if any(axes.lines for axes in figure.axes):
            handles.append(Line2D([], [], **_CHOSEN, label="threshold, chosen on dev"))
        handles.append(note("→ higher score: more bona fide"))
        low = pl.Series([rate["ci_low"] for rate in rates.values()], dtype=pl.Float64)
        handles += [note(words) for words in interval_words("[95 % interval]", low)]
        legend_below(figure, handles, [str(handle.get_label()) for handle in handles])
    save(figures, outputs, pl.concat(rows))


def _panel(
    axes: Axes, entry: Mapping[str, Any], label: str, rate: Mapping[str, Any]
) -> pl.DataFrame:
    """Both classes of a score file, with their EER; the counts of the bins."""
    trials = read_scored(entry["scores"], entry["manifest"], entry["split"])
    scores = {name: trials.filter(pl.col("label") == name)["score"].to_numpy() for name in _LOOKS}
    edges = _edges(trials["score"].to_numpy())
    rows = []
    for name, (_, colour) in _LOOKS.items():
        if not scores[name].size:
            continue
        # Outliers are counted in the outermost bins rather than dropped.
        counts, _ = np.histogram(np.clip(scores[name], edges[0], edges[-1]), bins=edges)
        share = 100 * counts / counts.sum()
        axes.stairs(share, edges, fill=True, color=colour, alpha=0.35)
        axes.stairs(share, edges, color=colour, linewidth=1.0)
        rows.append(
            pl.DataFrame({"bin_low": edges[:-1], "bin_high": edges[1:], "count": counts}).select(
                pl.lit(entry["corpus"]).alias("corpus"),
                pl.lit(entry["split"]).alias("split"),
                pl.lit(entry["id"]).alias("system"),
                pl.lit(entry["seed"]).alias("seed"),
                pl.lit(name).alias("label"),
                pl.all(),
            )
        )
    if rate["value"] is not None:
        label += f"\nEER {percent(rate['value'])} %{between(rate)}"
    threshold = stored_threshold(entry["detector"]) if entry["detector"] else None
    if threshold is not None and edges[0] <= threshold <= edges[-1]:
        axes.axvline(threshold, **_CHOSEN)
    axes.set_title(label, fontsize=8)
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="x", nbins=4)
    axes.locator_params(axis="y", nbins=3)
    axes.grid(visible=False)
    return pl.concat(rows)


def _edges(scores: Floats) -> Floats:
    """Edges of the bins: all scores, but for those far beyond nine tenths of them."""
    low, high = np.quantile(scores, [0.05, 0.95])
    reach = 0.5 * (high - low)
    first, last = max(scores.min(), low - reach), min(scores.max(), high + reach)
    edges: Floats = np.linspace(first, last if last > first else first + 1, _BINS + 1)
    return edges
