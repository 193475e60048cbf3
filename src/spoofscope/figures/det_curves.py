"""Detection error trade-off curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy.special import ndtri

from spoofscope.exhibits import Figure
from spoofscope.figures.style import line_style, new_figure, percent, save, system_labels
from spoofscope.metrics.rates import det_curve, eer
from spoofscope.summaries.inputs import read_scored, sets_of

FIGURE = Figure(
    title="Detection error trade-off",
    shows="Detection error trade-off curves of every system on every eval set.",
    caption=(
        "The curves show the share of rejected bona fide clips against the share of accepted "
        "spoofs, for all thresholds; both axes are normal-deviate. Lower left is better; the "
        "diagonal marks equal error rates. A curve that lies beyond the axes (0.08 to 90 %), "
        "because it has almost no errors or almost only errors, has a star in the legend."
    ),
    needs="shown_scores",
    place=110,
)

_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
_LIMITS = (0.0008, 0.9)
# More points than pixels only make the PDF heavy.
_POINTS = 1500


def draw(scored: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Draw one panel per (corpus, split), with one curve per system, on normal-deviate axes.

    Args:
        scored: of every score file the id, seed, name and kind of its system, corpus, split,
            `scores` (the file) and `manifest`.
        outputs: `pdf`, `png`, `tsv`.
    """
    labels = system_labels(scored)
    # A system has the same colour in all panels.
    styles = {system: line_style(i) for i, system in enumerate(labels)}
    sets = sets_of(scored)
    figure = new_figure(3.9 * len(sets), 4.1)
    rows: list[pl.DataFrame] = []
    for panel, ((corpus, split), of_set) in enumerate(sets.items(), start=1):
        axes = figure.add_subplot(1, len(sets), panel)
        unseen = False
        for entry in of_set:
            system, seed = entry["id"], entry["seed"]
            trials = read_scored(entry["scores"], entry["manifest"], split)
            bonafide = trials.filter(pl.col("label") == "bonafide")["score"].to_numpy()
            spoof = trials.filter(pl.col("label") == "spoof")["score"].to_numpy()
            if not (bonafide.size and spoof.size):
                continue
            curve = det_curve(bonafide, spoof)
            keep = np.unique(
                np.linspace(0, curve.p_fa.size - 1, min(_POINTS, curve.p_fa.size)).astype(int)
            )
            p_fa, p_miss = curve.p_fa[keep], curve.p_miss[keep]
            value = eer(bonafide, spoof).value
            # A curve without errors, or with errors only, lies outside of the axes.
            inside = (np.minimum(p_fa, p_miss) >= _LIMITS[0]) & (
                np.maximum(p_fa, p_miss) <= _LIMITS[1]
            )
            mark = "" if inside.any() else "*"
            unseen = unseen or bool(mark)
            axes.plot(
                ndtri(np.clip(p_fa, _LIMITS[0] / 10, 1 - 1e-6)),
                ndtri(np.clip(p_miss, _LIMITS[0] / 10, 1 - 1e-6)),
                label=f"{labels[system, seed]}: {percent(value)} %{mark}",
                **styles[system, seed],
            )
            rows.append(
                pl.DataFrame({"p_fa": p_fa, "p_miss": p_miss}).select(
                    pl.lit(corpus).alias("corpus"),
                    pl.lit(split).alias("split"),
                    pl.lit(system).alias("system"),
                    pl.lit(seed).alias("seed"),
                    pl.col("p_fa").alias("spoof_accepted"),
                    pl.col("p_miss").alias("bonafide_rejected"),
                )
            )
        axes.axline((0, 0), slope=1, color="#bbbbbb", linewidth=0.8, zorder=0)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(ndtri(np.array(_TICKS)), [f"{100 * tick:g}" for tick in _TICKS])
        axes.set_xlim(*ndtri(np.array(_LIMITS)))
        axes.set_ylim(*ndtri(np.array(_LIMITS)))
        axes.set_aspect("equal")
        axes.set_xlabel("spoof accepted (%)")
        axes.set_ylabel("bona fide rejected (%)")
        axes.set_title(f"{corpus}, {split}")
        title = "EER (*: the curve is beyond the axes)" if unseen else "EER"
        axes.legend(title=title, title_fontsize=7, loc="lower left")
    save(figure, outputs, pl.concat(rows))
