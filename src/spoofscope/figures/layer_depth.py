"""EER against the number of transformer layers that are kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.axes import Axes

from spoofscope.errors import DetectorError
from spoofscope.figures.inputs import read_metrics
from spoofscope.figures.style import line_style, new_figure, save
from spoofscope.files import read_json
from spoofscope.layers.depth import depth_table
from spoofscope.metrics.tables import MACRO

_PER_ROW = 3


def draw(
    curves: Mapping[str, Sequence[Mapping[str, Any]]],
    metrics: Sequence[str],
    outputs: Mapping[str, str],
) -> None:
    """Draw one panel per test set, one line per curve: mean EER over seeds, with their sd.

    A thin line through a small dot is the 95 % bootstrap interval of one training.

    Args:
        curves: name to points, each a `detector`, its `run` and `n_layers`; where that is null, the
            detector keeps all layers of the backbone in the folder `backbone`.
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
        .sort(pl.col("corpus") == MACRO, "corpus", "split")
    )
    columns = min(panels.height, _PER_ROW)
    rows = -(-panels.height // columns)
    figure = new_figure(2.6 * columns + 0.4, 2.3 * rows + 0.5)
    names = list(curves)
    handles: dict[str, Any] = {}
    for number, (corpus, split) in enumerate(panels.rows(), start=1):
        axes = figure.add_subplot(rows, columns, number)
        own = table.filter((pl.col("corpus") == corpus) & (pl.col("split") == split))
        for i, name in enumerate(names):
            part = own.filter(pl.col("curve") == name)
            if part.height:
                handles.setdefault(name, _curve(axes, part, i, len(names)))
        axes.set_xticks(sorted(own["n_layers"].unique().to_list()))
        axes.set_ylim(bottom=0)
        axes.set_title("mean of the sets" if corpus == MACRO else f"{corpus}, {split}")
        if (number - 1) % columns == 0:
            axes.set_ylabel("EER (%)")
        if number > panels.height - columns:
            axes.set_xlabel("transformer layers kept")
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=min(4, 2 * columns)
    )
    save(figure, outputs, table)


def _curve(axes: Axes, part: pl.DataFrame, index: int, count: int) -> Any:
    style = line_style(index)
    # Curves side by side where they share a depth.
    shift = 0.12 * (index - (count - 1) / 2)
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
    path = Path(point["backbone"]) / "config.json"
    layers = read_json(path).get("num_hidden_layers")
    if not isinstance(layers, int):
        raise DetectorError(f"{path} does not say how many layers the backbone has")
    return layers
