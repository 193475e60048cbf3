"""EER against the number of transformer layers that are kept."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from matplotlib.axes import Axes

from spoofscope.errors import DetectorError
from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
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
from spoofscope.files import read_json
from spoofscope.layers.depth import MEAN_OF, depth_table
from spoofscope.summaries.inputs import read_metrics

FIGURE = Figure(
    title="Error rate against depth",
    shows="EER against the number of transformer layers that a detector keeps.",
    caption=(
        "Equal error rate of detectors that keep only the lower transformer layers of their "
        "backbone; the other layers are deleted, not skipped. Lines are means over training "
        "seeds, bars their standard deviation. Small dots and thin lines are single trainings "
        "with their 95 % bootstrap interval, which is the uncertainty from the trials. The column "
        "above_deepest of the table is the cost of cutting layers against the deepest detector of "
        "a curve."
    ),
    needs="depth_curves",
    place=330,
    section="layer",
)

# Inches of a line of panels; of one whose panels have a legend each; and of a shared legend.
_HEIGHT, _TALL, _LEGEND = 2.4, 3.6, 0.6
# More curves than this have their names in each panel, and a panel's colours are its own.
_SHARED_LEGEND = 12


def draw(
    curves: Mapping[str, Sequence[Mapping[str, Any]]],
    metrics: Sequence[str],
    outputs: Mapping[str, str],
) -> None:
    """Draw one panel per test set, one line per curve: mean EER over seeds, with their sd.

    A thin line through a small dot is the 95 % bootstrap interval of one training.

    Args:
        curves: name to points, each a `detector`, its `run` and `n_layers`; where that is null, the
            detector keeps all layers of a backbone whose configuration is `config`.
        metrics: metrics tables of the detectors on their test sets.
        outputs: `pdf`, `png`, `tsv`.

    Raises:
        DetectorError: a backbone's configuration does not say how many layers it has.
    """
    resolved = {
        name: [{**point, "n_layers": _kept(point)} for point in points]
        for name, points in curves.items()
    }
    table = depth_table(resolved, read_metrics(metrics))
    panels = (
        table.select("corpus", "split")
        .unique(maintain_order=True)
        .sort(pl.col("corpus").str.starts_with(MEAN_OF), "corpus", "split")
    )
    shared = len(curves) <= _SHARED_LEGEND
    columns = 1 if panels.height == 1 else 2
    height = _HEIGHT if shared else _TALL
    lines = [panels.rows()[i : i + columns] for i in range(0, panels.height, columns)]
    words = interval_words("thin lines: 95 % intervals", table["ci_low"])
    if table["sd"].is_not_null().any():
        words.insert(0, "bars: standard deviation over seeds")
    figures = []
    for page in pages([height] * len(lines), _LEGEND):
        figure = new_figure(COLUMN if columns == 1 else PAGE, height * len(page) + _LEGEND)
        figures.append(figure)
        handles: dict[str, Any] = {}
        drawn = figure.subplots(len(page), columns, squeeze=False)
        for of_line, line in zip(drawn, page, strict=True):
            for axes in of_line[len(lines[line]) :]:
                axes.set_axis_off()
            of_line[0].set_ylabel("EER (%)")
            for axes, (corpus, split) in zip(of_line, lines[line], strict=False):
                of_set = table.filter((pl.col("corpus") == corpus) & (pl.col("split") == split))
                names = [name for name in curves if (of_set["curve"] == name).any()]
                for i, name in enumerate(names):
                    # Curves side by side where they share a depth.
                    shift = min(0.12, 0.8 / len(names)) * (i - (len(names) - 1) / 2)
                    style = line_style(list(curves).index(name) if shared else i)
                    of_curve = of_set.filter(pl.col("curve") == name)
                    handles[people().system(name)] = _curve(axes, of_curve, shift, style)
                axes.set_xticks(sorted(of_set["n_layers"].unique().to_list()))
                axes.set_ylim(bottom=0)
                axes.set_title(textwrap.fill(people().trials(corpus, split), 44))
                axes.set_xlabel("transformer layers kept")
                if not shared:
                    shown = [people().system(name) for name in names]
                    of_panel = [handles[name] for name in shown]
                    axes.legend(of_panel, shown, fontsize=7, labelspacing=0.2)
        of_page = handles if shared else {}
        legend_below(figure, [*of_page.values(), *map(note, words)], [*of_page, *words])
    save(figures, outputs, table)


def _curve(axes: Axes, part: pl.DataFrame, shift: float, style: Mapping[str, Any]) -> Any:
    for row in part.iter_rows(named=True):
        x = row["n_layers"] + shift
        if row["ci_low"] is not None:
            interval = [100 * row["ci_low"], 100 * row["ci_high"]]
            axes.plot([x, x], interval, color=style["color"], lw=0.7, alpha=0.45)
        axes.plot(x, 100 * row["eer"], ".", color=style["color"], markersize=3, alpha=0.6)
    means = part.unique(["run"], maintain_order=True)
    return axes.errorbar(
        (means["n_layers"] + shift).to_list(),
        (100 * means["mean"]).to_list(),
        yerr=(100 * means["sd"].fill_null(0.0)).to_list(),
        marker="o",
        markersize=3.5,
        capsize=2,
        elinewidth=1.4,
        **style,
    )


def _kept(point: Mapping[str, Any]) -> int:
    if point["n_layers"] is not None:
        return int(point["n_layers"])
    layers = read_json(point["config"]).get("num_hidden_layers")
    if not isinstance(layers, int):
        raise DetectorError(f"{point['config']} does not say how many layers the backbone has")
    return layers
