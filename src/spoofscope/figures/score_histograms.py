"""Score distributions of bona fide and spoof."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from spoofscope.figures.style import BONAFIDE, SPOOF, new_figure, percent, save, system_labels
from spoofscope.metrics.rates import eer
from spoofscope.settings import stored_threshold
from spoofscope.summaries.inputs import read_scored

_BINS = 40


def draw(
    systems: Sequence[Mapping[str, Any]],
    sets: Sequence[Sequence[str]],
    root: str,
    outputs: Mapping[str, str],
) -> None:
    """Draw one panel per system and (corpus, split): densities of both classes.

    The dashed line is the threshold that was chosen on dev; the share of each class on its wrong
    side is what a user of that threshold would get. Arguments as in `det_curves.draw`.
    """
    labels = system_labels(systems)
    own = [[s for s in systems if [corpus, split] in s["sets"]] for corpus, split in sets]
    columns = min(4, max(map(len, own)))
    above = [0, *np.cumsum([-(-len(scored) // columns) for scored in own]).tolist()]
    figure = new_figure(2.3 * columns, 1.75 * above[-1] + 0.3)
    rows: list[pl.DataFrame] = []
    for block, (corpus, split) in enumerate(sets):
        for i, described in enumerate(own[block]):
            system, seed = described["id"], described["seed"]
            axes = figure.add_subplot(above[-1], columns, above[block] * columns + i + 1)
            trials = read_scored(
                f"{root}/scores/{system}/seed{seed}/{corpus}.{split}.tsv",
                f"{root}/manifests/{corpus}.tsv",
                split,
            )
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
            threshold = _dev_threshold(root, system, seed)
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


def _dev_threshold(root: str, system: str, seed: int) -> float | None:
    """The threshold of a detector or a fusion; None where it is not known, as of others' scores."""
    detector = Path(f"{root}/detectors/{system}/seed{seed}/detector.json")
    fusion = Path(f"{root}/fusion/{system}.json")
    file = detector if detector.is_file() else fusion
    return stored_threshold(file) if file.is_file() else None
