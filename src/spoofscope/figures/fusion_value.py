"""What every fusion loses without each of its detectors."""

from collections.abc import Callable, Mapping

import polars as pl

from spoofscope.exhibits import Figure
from spoofscope.figures.differences import MOST_LINES, Block, draw_blocks
from spoofscope.figures.style import between, people, percent, save
from spoofscope.summaries.comparisons import within_reach
from spoofscope.summaries.fusion_value import read_fusion_value

FIGURE = Figure(
    title="What each detector adds to a fusion",
    shows="Every fusion without each of its detectors, with the significance of the difference.",
    caption=(
        "Each fusion is fitted again on its own development trials without one detector, and "
        "compared with the whole on the same resampled trials. Above the lines stand the numbers "
        "of the whole, with 95 % intervals. The lines show the metric without the detector less "
        "that of the whole fusion, with 95 % intervals: right of zero, the detector helps. At the "
        "right stands p after Holm's correction over the detectors of the fusion. Filled and "
        "coloured: significant (p < 0.05), blue where the detector helps, orange where the fusion "
        "is better without it. Open and grey: not significant, which does not prove that a "
        "detector can go."
    ),
    needs="table_of_fusion_value",
    place=165,
)

# Title of the axis, and factor of each metric.
_SHOWN: dict[str, tuple[str, float]] = {
    "eer": ("EER without it − with it (points)", 100.0),
    "min_dcf": ("minDCF without it − with it", 1.0),
}
# Name, unit and form of each metric of the whole fusion.
_WHOLE: dict[str, tuple[str, str, Callable[[float], str]]] = {
    "eer": ("EER", " %", percent),
    "min_dcf": ("minDCF", "", "{:.3f}".format),
}
_BLOCK = ("fusion", "corpus", "split")


def draw(table: str, outputs: Mapping[str, str]) -> None:
    """Draw a line per detector, a panel per metric, for each fusion and (corpus, split).

    Args:
        table: the table of the value of detectors.
        outputs: `pdf`, `png`, `tsv`.
    """
    values = read_fusion_value(table)
    blocks = []
    for (fusion, corpus, split), of_set in values.group_by(_BLOCK, maintain_order=True):
        left_out = of_set["left_out"].unique(maintain_order=True).to_list()
        title = _title(str(fusion), str(corpus), str(split), of_set)
        for start in range(0, len(left_out), MOST_LINES):
            some = left_out[start : start + MOST_LINES]
            names = [people().system(name) for name in some]
            blocks.append(Block(title, names, of_set.filter(pl.col("left_out").is_in(some))))
    figures = draw_blocks(
        blocks, "gain", _SHOWN, "the detector helps", "better without it", lower_is_better=False
    )
    save(figures, outputs, values)


def _title(fusion: str, corpus: str, split: str, of_set: pl.DataFrame) -> str:
    """The whole fusion: its trials, its numbers with their intervals, and what cannot be shown."""
    lines = [
        f"{people().system(fusion)} on {people().trials(corpus, split)}: "
        f"{of_set['n_bonafide'][0]} bona fide, {of_set['n_spoof'][0]} spoofs"
    ]
    numbers = []
    for metric, (name, unit, said) in _WHOLE.items():
        row = of_set.filter(metric=metric).row(0, named=True)
        ends = {"ci_low": row["value_low"], "ci_high": row["value_high"]}
        numbers.append(f"{name} {said(row['value'])}{unit}{between(ends, said)}")
    lines.append(", ".join(numbers))
    if (why := within_reach(of_set, "detector")) is not None:
        lines.append(why)
    return "\n".join(lines)
