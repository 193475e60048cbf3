"""Both error rates of every system over its threshold."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    BONAFIDE,
    COLUMN,
    PAGE,
    SPOOF,
    label_below,
    legend_below,
    new_figure,
    panel_pages,
    people,
    save,
    system_labels,
)
from spoofscope.metrics.rates import det_curve, eer
from spoofscope.settings import stored_threshold
from spoofscope.summaries.inputs import read_scored, sets_of
from spoofscope.tables import LABELS

FIGURE = Figure(
    title="Error rates by threshold",
    shows="Both error rates of every system over its threshold, with the thresholds in use.",
    caption=(
        "Share of bona fide clips that are rejected (blue) and of spoofs that are accepted "
        "(orange), if clips below a threshold are rejected. A dashed line is the threshold "
        "chosen on development data, the dotted one that of the equal error rate of this set. "
        "Where the curves are steep at the dashed line, a small shift of scores changes many "
        "decisions. Steps are single clips."
    ),
    needs="shown_decisions",
    place=145,
)

_POINTS = 400
_COLUMNS, _HEIGHT, _LEGEND = 4, 1.6, 0.5
_EQUAL: Any = {"color": "#777777", "linestyle": ":", "linewidth": 0.9}
_CHOSEN: Any = {"color": "black", "linestyle": "--", "linewidth": 0.9}
_CHOSEN_WORDS = "threshold, chosen on dev"
_HANDLES = (
    Line2D([], [], color=BONAFIDE, label="bona fide rejected"),
    Line2D([], [], color=SPOOF, label="spoof accepted"),
    Line2D([], [], **_CHOSEN, label=_CHOSEN_WORDS),
    Line2D([], [], **_EQUAL, label="threshold of the EER here"),
)


def draw(scored: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Draw one panel per system and (corpus, split); sets of one class have none.

    Args:
        scored: as in `det_curves.draw`, each with `detector`, the file with the system's threshold;
            None if it is not known, as for external scores.
        outputs: `pdf`, `png`, `tsv`.
    """
    labels = system_labels(scored)
    drawn = [
        (entry, trials)
        for of_set in sets_of(scored).values()
        for entry in of_set
        if (trials := read_scored(entry["scores"], entry["manifest"], entry["split"]))[
            "label"
        ].n_unique()
        == len(LABELS)
    ]
    figures, panels = panel_pages(len(drawn), _COLUMNS, _HEIGHT, _LEGEND, width=PAGE)
    tables = [pl.DataFrame(schema=_SCHEMA)]
    for axes, (entry, trials) in zip(panels, drawn, strict=True):
        tables.append(_panel(axes, entry, trials))
        where = people().trials(entry["corpus"], entry["split"])
        axes.set_title(f"{labels[entry['id'], entry['seed']]}\n{where}", fontsize=8)
    if not drawn:
        figures = [new_figure(COLUMN, 1.0)]
        figures[0].text(0.5, 0.5, "No set has both classes.", ha="center")
    chosen = any(table["threshold_chosen"].is_not_null().any() for table in tables)
    handles = [handle for handle in _HANDLES if chosen or handle.get_label() != _CHOSEN_WORDS]
    for figure in figures:
        for axes in figure.axes[::_COLUMNS]:
            axes.set_ylabel("errors (%)")
        label_below(figure, "threshold")
        legend_below(figure, handles, [str(handle.get_label()) for handle in handles])
    save(figures, outputs, pl.concat(tables))


def _panel(axes: Axes, entry: Mapping[str, Any], trials: pl.DataFrame) -> pl.DataFrame:
    """Both rates of a score file, and the numbers that are drawn."""
    bonafide, spoof = (
        trials.filter(pl.col("label") == label)["score"].to_numpy() for label in LABELS
    )
    curve = det_curve(bonafide, spoof)
    # The last point rejects everything, at infinity.
    at = np.unique(np.linspace(0, curve.p_fa.size - 2, _POINTS).round().astype(int))
    thresholds, p_miss, p_fa = curve.thresholds[at], curve.p_miss[at], curve.p_fa[at]
    axes.step(thresholds, 100 * p_miss, color=BONAFIDE, linewidth=1.0, where="pre")
    axes.step(thresholds, 100 * p_fa, color=SPOOF, linewidth=1.0, where="pre")
    equal = eer(bonafide, spoof).threshold
    chosen = stored_threshold(entry["detector"]) if entry["detector"] else None
    axes.axvline(equal, **_EQUAL)
    if chosen is not None:
        axes.axvline(chosen, **_CHOSEN)
    axes.set_ylim(-2, 102)
    axes.locator_params(axis="x", nbins=4)
    return pl.DataFrame(
        {"threshold": thresholds, "bonafide_rejected": p_miss, "spoof_accepted": p_fa}
    ).select(
        *(pl.lit(entry[key]).alias(key) for key in ("name", "seed", "corpus", "split")),
        pl.all(),
        pl.lit(equal).alias("threshold_eer"),
        pl.lit(chosen, dtype=pl.Float64).alias("threshold_chosen"),
    )


_SCHEMA: dict[str, pl.DataType] = {
    **{"name": pl.String(), "seed": pl.Int32(), "corpus": pl.String(), "split": pl.String()},
    **dict.fromkeys(("threshold", "bonafide_rejected", "spoof_accepted"), pl.Float64()),
    **dict.fromkeys(("threshold_eer", "threshold_chosen"), pl.Float64()),
}
