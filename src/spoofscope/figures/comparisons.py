"""Differences between detectors, with their significance."""

from collections.abc import Mapping

from spoofscope.exhibits import Figure
from spoofscope.figures.differences import (
    AROUND,
    LEGEND,
    LINE,
    MOST_LINES,
    differences,
    legend,
    panel,
)
from spoofscope.figures.style import PAGE, new_figure, pages, people, save
from spoofscope.metrics.paired import METRICS
from spoofscope.summaries.comparisons import read_comparisons, within_reach

FIGURE = Figure(
    title="Which detectors differ",
    shows="Paired differences between systems on the same trials, with their significance.",
    caption=(
        "The figure compares every two systems on the same resampled trials: the first minus the "
        "second, with the 95 % interval of the difference; left of zero the first is better. At "
        "the right stands p after Holm's correction over the pairs of a set. Filled and coloured: "
        "significant (p < 0.05), blue where the first is better, orange where the second is. Open "
        "and grey: not significant, which does not prove equality."
    ),
    needs="table_of_comparisons",
    place=160,
)

# Title of the axis, and factor of each metric.
_SHOWN: dict[str, tuple[str, float]] = {
    "eer": ("difference of EER (percentage points)", 100.0),
    "min_dcf": ("difference of minDCF", 1.0),
}


def draw(table: str, outputs: Mapping[str, str]) -> None:
    """Draw a line per pair of systems, a panel per metric, for each (corpus, split).

    Args:
        table: the table of comparisons.
        outputs: `pdf`, `png`, `tsv`.
    """
    compared = read_comparisons(table)
    blocks = []
    for (corpus, split), of_set in compared.group_by("corpus", "split", maintain_order=True):
        pairs = of_set.select("first", "second").unique(maintain_order=True)
        title = people().trials(corpus, split)
        if (why := within_reach(of_set)) is not None:
            title += f": {why}"
        for start in range(0, pairs.height, MOST_LINES):
            some = pairs.slice(start, MOST_LINES)
            part = of_set.join(some, on=["first", "second"], how="semi", maintain_order="left")
            blocks.append((title, some.rows(), part))
    heights = [LINE * len(pairs) + AROUND for _, pairs, _ in blocks]
    figures = []
    for page in pages(heights, LEGEND):
        of_page = [heights[i] for i in page]
        figure = new_figure(PAGE, sum(of_page) + LEGEND)
        figures.append(figure)
        parts = figure.subfigures(len(page), 1, squeeze=False, height_ratios=of_page)[:, 0]
        for part, i in zip(parts, page, strict=True):
            title, names, of_block = blocks[i]
            part.suptitle(title, fontsize=8, x=0.01, ha="left")
            panels = part.subplots(1, len(METRICS), sharey=True)
            for axes, metric in zip(panels, METRICS, strict=True):
                label, factor = _SHOWN[metric]
                rows = of_block.filter(metric=metric)
                panel(axes, differences(rows, "difference", factor), lower_is_better=True)
                axes.set_xlabel(label)
            panels[0].set_yticks(
                range(len(names)),
                [f"{people().system(a)} − {people().system(b)}" for a, b in names],
            )
            panels[0].set_ylim(len(names) - 0.4, -0.6)
        legend(figure, "first is better", "second is better")
    save(figures, outputs, compared)
