"""EERs of detectors by the generators of their training data and by the tested generators."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    ERRORS,
    PAGE,
    frame,
    interval_words,
    legend_below,
    new_figure,
    note,
    pages,
    people,
    save,
)
from spoofscope.metrics.generators import (
    DEV_ONLY,
    LEFT_OUT,
    TRAINED,
)
from spoofscope.names import ALL_SPOOFS, MEAN_OF_ALL, MEAN_OF_UNSEEN, POOLED
from spoofscope.summaries.generator_matrix import read_generator_matrix

FIGURE = Figure(
    title="Trained on one generator, tested on another",
    shows="EER of every detector on every generator; frames mark generators in its data.",
    caption=(
        "Equal error rate (%) of every detector on each generator against bona fide clips: mean "
        "over training seeds, standard deviation over them (of these seeds, not an estimate for "
        "further seeds) and the 95 % interval of the first seed, unless a class has fewer than two "
        "speakers (clips, if these are resampled). Frames show the relation between "
        "the generator and the detector's data. The mean of unseen leaves out the generators of "
        "training and model selection."
    ),
    needs="table_of_generators",
    place=150,
)

_NUMBERS = ("eer", "eer_population_sd", "eer_min", "eer_max", "eer_low", "eer_high")
_TEXTS = ("name", "family", "trained_on", "corpus", "split", "generator", "relation")
_COUNTS = ("n_bonafide", "n_spoof", "n_generators", "n_seeds")
_FRAMES: dict[str, dict[str, Any]] = {
    TRAINED: {"linestyle": "-", "linewidth": 1.1},
    DEV_ONLY: {"linestyle": ":", "linewidth": 1.1},
    LEFT_OUT: {"linestyle": (0, (2.5, 1.2)), "linewidth": 1.4},
}
_LABELS = {
    TRAINED: "in its training",
    DEV_ONLY: "in its development data alone",
    LEFT_OUT: "left out of its training",
}
# Most columns and rows of a block; columns that a narrower one has room for, too.
_MOST, _MOST_ROWS, _FEWEST = 10, 17, 5
# Inches of a row, around a block, and of the legend; the share of a cell that is between groups.
_HEIGHT, _AROUND, _LEGEND, _GAP = 0.4, 1.2, 0.35, 0.22
_LONGEST = 30
"""Letters of a label."""


class _Column(NamedTuple):
    corpus: str
    split: str
    generator: str


def draw(table: str, outputs: Mapping[str, str]) -> None:
    """Draw EERs as a map: mean over seeds, below it the standard deviation and the 95 % interval.

    A row is a detector; detectors that differ only in their data stand together. Columns are the
    generators of each set of which some detector was trained on a part, and the mean over the
    generators that the row has not seen. A set on which no row was trained has one column of all
    spoofs. Frames show the relation of a generator to a detector's data. The colour scale is fixed,
    from 0 to 50 %.

    Args:
        table: the file of the table `generator_matrix`.
        outputs: `pdf`, `png`, `tsv`.
    """
    rates = read_generator_matrix(table)
    groups = _columns(rates)
    columns = [column for group in groups for column in group]
    several = len({(column.corpus, column.split) for column in columns}) > 1
    names = rates.select("family", "name").unique(maintain_order=True)
    families = names.group_by("family", maintain_order=True).agg("name")["name"].to_list()
    shown = rates.join(
        pl.DataFrame(columns, schema=_Column._fields, orient="row"), on=_Column._fields, how="semi"
    )
    blocks = [
        (across, down) for down in _parts(families, _MOST_ROWS) for across in _parts(groups, _MOST)
    ]
    heights = [_HEIGHT * max(_places(map(len, down))[-1] + 1, 3) + _AROUND for _, down in blocks]
    figures = []
    for page in pages(heights, _LEGEND):
        of_page = [heights[i] for i in page]
        figure = new_figure(PAGE, sum(of_page) + _LEGEND)
        figures.append(figure)
        panels = figure.subplots(len(page), 1, squeeze=False, height_ratios=of_page)[:, 0]
        image: Any = None
        for axes, i in zip(panels, page, strict=True):
            image = _block(axes, rates, *blocks[i], several)
        panels[-1].set_xlabel("tested on (generator against bona fide)")
        figure.supylabel("detector, trained on", fontsize=8)
        label = "EER (%)"
        figure.colorbar(image, ax=list(panels), label=label, extend="max", pad=0.01, aspect=14)
        known = [name for name in _FRAMES if (shown["relation"] == name).any()]
        handles = [frame((0, 0), 1, 1, label=_LABELS[name], **_FRAMES[name]) for name in known]
        words = interval_words("below the EER: its 95 % interval", shown["eer_low"])
        if shown["eer_population_sd"].is_not_null().any():
            words.append("±: standard deviation over seeds")
        names_of = [_LABELS[name] for name in known]
        legend_below(figure, [*handles, *map(note, words)], [*names_of, *words])
    save(figures, outputs, shown.select(*_TEXTS, *_COUNTS, *_NUMBERS))


T = TypeVar("T")


def _parts(groups: Sequence[Sequence[T]], most: int) -> list[list[list[T]]]:
    """Groups in parts of at most `most` members, longer groups in several parts."""
    parts: list[list[list[T]]] = []
    left = 0
    for group in groups:
        for start in range(0, len(group), most):
            some = list(group[start : start + most])
            if len(some) > left:
                parts.append([])
                left = most
            parts[-1].append(some)
            left -= len(some)
    return parts


def _block(
    axes: Axes,
    rates: pl.DataFrame,
    groups: Sequence[Sequence[_Column]],
    families: Sequence[Sequence[str]],
    several: bool,
) -> Any:
    """Some groups of columns and rows; the image."""
    columns = [column for group in groups for column in group]
    rows = [name for family in families for name in family]
    across, down = _places(map(len, groups)), _places(map(len, families))
    width, height = max(across[-1] + 1, _FEWEST), down[-1] + 1
    # A place for every cell; the gaps between groups are columns and rows without values.
    edges = [sorted({*places, *(place + 1 for place in places)}) for places in (across, down)]
    values = np.full((len(edges[1]) - 1, len(edges[0]) - 1), np.nan)
    for row in rates.filter(pl.col("name").is_in(rows)).iter_rows(named=True):
        column = _Column(row["corpus"], row["split"], row["generator"])
        if column not in columns:
            continue
        left, top = across[columns.index(column)], down[rows.index(row["name"])]
        if row["eer"] is not None:
            values[edges[1].index(top), edges[0].index(left)] = 100 * row["eer"]
        _write(axes, left, top, row)
    image = axes.pcolormesh(
        *edges, values, cmap=ERRORS, norm=Normalize(0, 50), edgecolors="white", linewidth=0.5
    )
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_yticks(
        [top + 0.5 for top in down],
        [
            f"{people().system(name)}\n{_training(rates.filter(pl.col('name') == name))}"
            for name in rows
        ],
    )
    axes.set_xticks(
        [left + 0.5 for left in across],
        [_label(column, several and len(group) == 1) for group in groups for column in group],
        rotation=40,
        ha="right",
        rotation_mode="anchor",
    )
    if several:
        for group in (group for group in groups if len(group) > 1):
            first, last = across[columns.index(group[0])], across[columns.index(group[-1])]
            where = people().trials(group[0].corpus, group[0].split)
            axes.text((first + last + 1) / 2, -0.2, where, ha="center", fontsize=7)
    return image


def _columns(table: pl.DataFrame) -> list[list[_Column]]:
    """Groups of columns: generators and their mean; or all spoofs, of a set no row trained on."""
    sets = table.select("corpus", "split").unique(maintain_order=True).rows()
    of_set = {place: table.filter(corpus=place[0], split=place[1]) for place in sets}
    at_home = {place for place in sets if of_set[place]["relation"].is_in(list(_FRAMES)).any()}
    groups = []
    for place, rows in of_set.items():
        means = (MEAN_OF_UNSEEN, MEAN_OF_ALL)
        names_in_set = rows["generator"].unique(maintain_order=True).to_list()
        single = [name for name in names_in_set if name not in (POOLED, *means)]
        if at_home and place not in at_home and POOLED in names_in_set:
            groups.append([_Column(place[0], place[1], POOLED)])
        else:
            # Without any known training data, no generator is known to be unseen.
            of_unseen = rows.filter(generator=MEAN_OF_UNSEEN)["eer"]
            mean = MEAN_OF_ALL if of_unseen.is_null().all() else MEAN_OF_UNSEEN
            groups += [
                [_Column(place[0], place[1], name) for name in names] for names in (single, [mean])
            ]
    return groups


def _places(sizes: Iterable[int]) -> list[float]:
    """The start of each cell of groups of these sizes; a cell is 1, groups have a gap between."""
    places: list[float] = []
    for size in sizes:
        start = places[-1] + 1 + _GAP if places else 0.0
        places += [start + i for i in range(size)]
    return places


def _write(axes: Axes, left: float, top: float, row: Mapping[str, Any]) -> None:
    """The numbers of a cell, and its frame."""
    value, spread = row["eer"], row["eer_population_sd"]
    colour = "white" if value is not None and value > 0.25 else "black"
    mean = row["generator"] in (MEAN_OF_UNSEEN, MEAN_OF_ALL)
    below = [] if spread is None else [f"±{100 * spread:.1f}"]
    if row["eer_low"] is not None:
        below.append(f"{100 * row['eer_low']:.0f}–{100 * row['eer_high']:.0f}")
    axes.text(
        left + 0.5,
        top + 0.5 - 0.12 * len(below),
        "-" if value is None else f"{100 * value:.1f}",
        ha="center",
        va="center",
        fontsize=7,
        fontweight="bold" if mean else "normal",
        color=colour,
    )
    for i, text in enumerate(below):
        y = top + 0.78 - 0.24 * (len(below) - 1) / 2 + 0.24 * i
        axes.text(left + 0.5, y, text, ha="center", va="center", fontsize=7, color=colour)
    if row["relation"] in _FRAMES:
        inset = 0.06
        axes.add_patch(
            frame(
                (left + inset, top + inset),
                1 - 2 * inset,
                1 - 2 * inset,
                **_FRAMES[row["relation"]],
            )
        )


def _training(of_detector: pl.DataFrame) -> str:
    """The training data of a detector, in few words."""
    generators = [people().attack(name) for name in of_detector["trained_on"][0].split(", ")]
    if len(", ".join(generators)) <= _LONGEST:
        return ", ".join(generators)
    left_out = of_detector.filter(relation=LEFT_OUT)["generator"].unique().sort().to_list()
    without = f", without {', '.join(map(people().attack, left_out))}" if left_out else ""
    return f"{len(generators)} generators{without if len(without) <= _LONGEST else ''}"


def _label(column: _Column, whose: bool) -> str:
    words = {POOLED: ALL_SPOOFS, MEAN_OF_UNSEEN: "mean of unseen", MEAN_OF_ALL: "mean of all"}
    text = words.get(column.generator) or people().attack(column.generator)
    return f"{people().corpus(column.corpus)}: {text}" if whose else text
