"""Linear probes: EER per layer."""

from collections.abc import Mapping, Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    CHANCE,
    COLUMN,
    PAGE,
    interval_words,
    legend_below,
    line_style,
    new_figure,
    note,
    pages,
    people,
    save,
)
from spoofscope.names import POOLED
from spoofscope.summaries.layers import read_probes

FIGURE = Figure(
    title="Information in each layer",
    shows="EER of one linear probe per layer.",
    caption=(
        "Equal error rate of a logistic regression on one layer alone: mean and standard "
        "deviation over time, standardised on the training utterances, with equal weights of both "
        "classes. It is fitted on train, its penalty is chosen on dev, and it is tested on eval; "
        "the shade is the 95 % bootstrap interval. The backbone is the pre-trained one. Unlike a "
        "learned mix, a probe measures the information in one layer independently of the others."
    ),
    needs="probed_layers",
    place=340,
    section="layer",
)

_HEIGHT, _LEGEND = 2.3, 0.45
"""Inches of a line of panels, and of the legend."""


def draw(probes: Sequence[str], outputs: Mapping[str, str]) -> None:
    """Draw one panel per test set, one line per probe: EER per layer with its 95 % interval.

    Args:
        probes: tables of probes.
        outputs: `pdf`, `png`, `tsv`.
    """
    table = read_probes(probes).filter(pl.col("condition") == POOLED)
    panels = table.select("corpus", "split").unique().sort("corpus", "split")
    names = table["probe"].unique(maintain_order=True).to_list()
    columns = 1 if panels.height == 1 else 2
    lines = [panels.rows()[i : i + columns] for i in range(0, panels.height, columns)]
    figures = []
    for page in pages([_HEIGHT] * len(lines), _LEGEND):
        figure = new_figure(COLUMN if columns == 1 else PAGE, _HEIGHT * len(page) + _LEGEND)
        figures.append(figure)
        drawn = figure.subplots(len(page), columns, squeeze=False)
        for of_line, i in zip(drawn, page, strict=True):
            for axes in of_line[len(lines[i]) :]:
                axes.set_axis_off()
            for axes, (corpus, split) in zip(of_line, lines[i], strict=False):
                _panel(axes, table.filter(corpus=corpus, split=split), names)
                axes.set_title(people().trials(corpus, split))
        handles = {
            label: handle
            for axes in figure.axes
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        for words in interval_words("shade: 95 % interval", table["ci_low"]):
            handles[words] = note(words)
        handles["chance"] = Line2D([], [], **CHANCE)
        legend_below(figure, list(handles.values()), list(handles))
    save(figures, outputs, table)


def _panel(axes: Axes, of_set: pl.DataFrame, names: Sequence[str]) -> None:
    for i, name in enumerate(names):
        line = of_set.filter(pl.col("probe") == name).sort("layer")
        if line.is_empty():
            continue
        x = line["layer"].to_list()
        style = line_style(i)
        y = (100 * line["eer"]).to_list()
        axes.plot(x, y, marker="o", markersize=3, label=name, **style)
        if line["ci_low"].null_count() == 0:
            axes.fill_between(
                x,
                (100 * line["ci_low"]).to_list(),
                (100 * line["ci_high"]).to_list(),
                color=style["color"],
                alpha=0.15,
                linewidth=0,
            )
    shown = sorted(of_set["layer"].unique().to_list())
    axes.set_xticks(shown[:: 1 + len(shown) // 14])
    axes.axhline(50, **CHANCE)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("hidden state (0 = input of layer 1)")
    axes.set_ylabel("EER (%)")
