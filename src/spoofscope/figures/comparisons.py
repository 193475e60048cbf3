"""Differences between detectors, with their significance."""

from collections.abc import Mapping

from spoofscope.exhibits import Figure
from spoofscope.figures.differences import MOST_LINES, Block, draw_blocks
from spoofscope.figures.style import people, save
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
            names = [f"{people().system(a)} − {people().system(b)}" for a, b in some.rows()]
            blocks.append(Block(title, names, part))
    figures = draw_blocks(
        blocks, "difference", _SHOWN, "first is better", "second is better", lower_is_better=True
    )
    save(figures, outputs, compared)
