"""Which detectors use which known cues, by each of the criteria."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from spoofscope.attribution.verdicts import MARKS, Standing, wrapped_note
from spoofscope.attribution_methods import METHOD_TITLES, named
from spoofscope.exhibits import Figure
from spoofscope.figures.style import PAGE, legend_below, new_figure, pages, people, save
from spoofscope.summaries.cue_use import (
    CAUSE,
    DETECTION,
    LEARNING,
    LOCALISATION,
    NOWHERE,
    USES,
    read_cue_use,
)

FIGURE = Figure(
    title="Known cues: who uses them",
    shows="Whether every detector uses the known artefact of every attack, criterion by criterion.",
    caption=(
        "A cell is a detector and an attack, with four criteria: the attack is detected (EER "
        "below 50 %); evidence for spoof lies at the artefact, above chance; the evidence falls "
        "where the artefact is replaced, beyond as much replaced elsewhere; and more than in "
        "copies with shuffled weights. Filled: shown, with its 95 % interval or p below 0.05. "
        "Open: not shown, which does not prove the contrary. Only where all four are filled, the "
        "detector is said to use the cue; then the cell is framed. The numbers are the EER and "
        "the AUC of the evidence. A dash: the artefact is everywhere, so nothing can be said. One "
        "line per method of attribution, where there are several. A mark behind a name says that "
        "explanations of the detector by this method fail their controls (†), or that it is "
        "undecided whether they pass them (‡)."
    ),
    needs="table_of_cue_use",
    place=245,
    section="masking",
)

_CRITERIA = {
    DETECTION: ("attack detected", "o"),
    LOCALISATION: ("evidence at the cue", "s"),
    CAUSE: ("evidence falls with the cue", "D"),
    LEARNING: ("more than by chance weights", "^"),
}
# Most attacks beside each other; inches of a line, around a block, and of the legend.
_ACROSS, _LINE, _AROUND, _LEGEND = 7, 0.36, 0.75, 0.65
_EXPLAINED = ("name", "method", "controls")
_INK, _FRAME = "#333333", "#0072B2"


def draw(table: str, outputs: Mapping[str, str]) -> None:
    """Draw a block per corpus and split: detectors (and methods) down, attacks to the right.

    Args:
        table: the table `cue_use`.
        outputs: `pdf`, `png`, `tsv`.
    """
    uses = read_cue_use(table)
    most = int((9 - _AROUND - _LEGEND) / _LINE)
    blocks = []
    for (corpus, split), of_set in uses.group_by("corpus", "split", maintain_order=True):
        attacks = sorted(set(of_set["attack"]))
        names = of_set["name"].unique(maintain_order=True).to_list()
        methods = [m for m in of_set["method"].unique(maintain_order=True) if m != NOWHERE]
        lines = [(name, method) for name in names for method in methods or [NOWHERE]]
        for left in range(0, len(attacks), _ACROSS):
            for top in range(0, len(lines), most):
                some = attacks[left : left + _ACROSS]
                blocks.append(
                    (people().trials(corpus, split), of_set, lines[top : top + most], some)
                )
    # Where an artefact is everywhere, no explanation is shown.
    shown = uses.filter(pl.col("method") != NOWHERE)
    standings: dict[tuple[str, str], Standing] = {
        (name, method): own for name, method, own in shown.select(_EXPLAINED).rows()
    }
    methods = [method for _, method in standings]
    doubts = wrapped_note(
        {
            named(people().system(name), method, methods): own
            for (name, method), own in standings.items()
        },
        PAGE,
    )
    heights = [_LINE * len(lines) + _AROUND for _, _, lines, _ in blocks]
    figures = []
    for page in pages(heights, _LEGEND):
        of_page = [heights[i] for i in page]
        figure = new_figure(PAGE, sum(of_page) + _LEGEND)
        figures.append(figure)
        if doubts:
            figure.suptitle(doubts, fontsize=7, x=0.01, ha="left")
        panels = figure.subplots(len(page), 1, squeeze=False, height_ratios=of_page)[:, 0]
        for axes, i in zip(panels, page, strict=True):
            title, of_set, lines, attacks = blocks[i]
            axes.set_title(title, fontsize=8, loc="left")
            _block(axes, of_set, lines, attacks, standings)
        _legend(figure)
    save(figures, outputs, uses)


def _words(attack: str) -> str:
    shown = people().attack(attack)
    return attack.replace("_", " ") if shown == attack else shown


def _block(
    axes: Axes,
    uses: pl.DataFrame,
    lines: Sequence[tuple[str, str]],
    attacks: Sequence[str],
    standings: Mapping[tuple[str, str], Standing],
) -> None:
    several = len({method for _, method in lines}) > 1
    for y, (name, method) in enumerate(lines):
        for x, attack in enumerate(attacks):
            of_cell = uses.filter(
                pl.col("method").is_in([method, NOWHERE]), name=name, attack=attack
            )
            if of_cell.height:
                _cell(axes, x, y, of_cell.row(0, named=True))
    axes.set_xticks(range(len(attacks)), [_words(attack) for attack in attacks])
    labels = [
        people().system(name)
        + (f"\n{METHOD_TITLES.get(method, method)}" if several else "")
        + MARKS[standings.get((name, method), "passes")]
        for name, method in lines
    ]
    axes.set_yticks(range(len(lines)), labels)
    axes.set_xlim(-0.5, max(len(attacks), 4) - 0.5)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xticks([x + 0.5 for x in range(len(attacks) - 1)], minor=True)
    axes.set_yticks([y + 0.5 for y in range(len(lines) - 1)], minor=True)
    axes.grid(visible=False)
    axes.grid(visible=True, which="minor")
    axes.tick_params(which="both", length=0)


def _cell(axes: Axes, x: int, y: int, row: Mapping[str, Any]) -> None:
    """The criteria of a detector and an attack, and the numbers below them."""
    if row["axis"] == NOWHERE:
        axes.text(x, y, "–", ha="center", va="center", fontsize=8, color=_INK)
        return
    missing = set(row["lacks"].split(", "))
    for i, (criterion, (_, marker)) in enumerate(_CRITERIA.items()):
        face = "white" if criterion in missing else _INK
        at = x + 0.2 * (i - (len(_CRITERIA) - 1) / 2)
        axes.plot(at, y - 0.16, marker, color=_INK, markerfacecolor=face, markersize=4)
    numbers = f"{100 * row['eer']:.0f} %, {row['auc']:.2f}"
    axes.text(x, y + 0.24, numbers, ha="center", va="center", fontsize=7, color=_INK)
    if row["verdict"] == USES:
        corner = (x - 0.47, y - 0.44)
        axes.add_patch(Rectangle(corner, 0.94, 0.88, fill=False, edgecolor=_FRAME, lw=1.6))


def _legend(figure: Any) -> None:
    handles: list[Any] = [
        Line2D([], [], color=_INK, marker=marker, markersize=4, linestyle="none", label=words)
        for words, marker in _CRITERIA.values()
    ]
    handles.append(Rectangle((0, 0), 1, 1, fill=False, edgecolor=_FRAME, lw=1.6, label="uses it"))
    legend_below(figure, handles, [str(handle.get_label()) for handle in handles])
