"""Score distributions of bona fide and spoof."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from spoofscope.exhibits import Figure
from spoofscope.figures.style import BONAFIDE, SPOOF, new_figure, percent, save, system_labels
from spoofscope.metrics.rates import eer
from spoofscope.settings import stored_threshold
from spoofscope.summaries.inputs import read_scored, sets_of

FIGURE = Figure(
    title="Scores",
    shows="Score distributions of bona fide and spoof, with the decision threshold chosen on dev.",
    caption=(
        "Distribution of the scores of bona fide clips and of spoofs; a higher score means more "
        "bona fide. The dashed line is the threshold at the equal error rate of the development "
        "set. Clips on its wrong side are the errors of a user who fixes the threshold "
        "beforehand."
    ),
    needs="shown_decisions",
    place=120,
)

_BINS = 40


def draw(scored: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Draw one panel per system and (corpus, split): densities of both classes.

    The dashed line is the threshold that was chosen on dev; the share of each class on its wrong
    side is the error rate of a user of that threshold.

    Args:
        scored: as in `det_curves.draw`, each with `detector`, the file with the system's threshold;
            None if it is not known, as for external scores.
        outputs: `pdf`, `png`, `tsv`.
    """
    labels = system_labels(scored)
    sets = sets_of(scored)
    columns = min(4, max(map(len, sets.values())))
    above = [0, *np.cumsum([-(-len(of_set) // columns) for of_set in sets.values()]).tolist()]
    figure = new_figure(2.3 * columns, 1.75 * above[-1] + 0.3)
    rows: list[pl.DataFrame] = []
    for block, ((corpus, split), of_set) in enumerate(sets.items()):
        for i, entry in enumerate(of_set):
            system, seed = entry["id"], entry["seed"]
            axes = figure.add_subplot(above[-1], columns, above[block] * columns + i + 1)
            trials = read_scored(entry["scores"], entry["manifest"], split)
            low, high = np.quantile(trials["score"].to_numpy(), [0.002, 0.998])
            edges = np.linspace(low, high, _BINS + 1) if high > low else np.array([low, low + 1])
            by_class = {}
            for label, colour in (("bonafide", BONAFIDE), ("spoof", SPOOF)):
                scores = trials.filter(pl.col("label") == label)["score"].to_numpy()
                by_class[label] = scores
                if not scores.size:
                    continue
                # Outliers are counted in the outermost bins rather than dropped.
                counts, _ = np.histogram(np.clip(scores, edges[0], edges[-1]), bins=edges)
                density = counts / counts.sum() / np.diff(edges)
                axes.stairs(density, edges, fill=True, color=colour, alpha=0.35)
                name = "bona fide" if label == "bonafide" else label
                axes.stairs(density, edges, color=colour, linewidth=1.0, label=name)
                rows.append(
                    pl.DataFrame(
                        {"bin_low": edges[:-1], "bin_high": edges[1:], "count": counts}
                    ).select(
                        pl.lit(corpus).alias("corpus"),
                        pl.lit(split).alias("split"),
                        pl.lit(system).alias("system"),
                        pl.lit(seed).alias("seed"),
                        pl.lit(label).alias("label"),
                        pl.all(),
                    )
                )
            title = labels[system, seed]
            if all(scores.size for scores in by_class.values()):
                value = eer(by_class["bonafide"], by_class["spoof"]).value
                title += f"\nEER {percent(value)} %"
            threshold = stored_threshold(entry["detector"]) if entry["detector"] else None
            if threshold is not None and edges[0] <= threshold <= edges[-1]:
                axes.axvline(threshold, color="black", linestyle="--", linewidth=0.9)
            axes.set_title(title, fontsize=7.5)
            axes.set_yticks([])
            axes.locator_params(axis="x", nbins=5)
            axes.grid(visible=False)
            axes.set_xlabel("score (higher = more bona fide)", fontsize=6.5)
            if i == 0:
                axes.legend()
                axes.set_ylabel(f"density\n{corpus}, {split}")
    save(figure, outputs, pl.concat(rows))
