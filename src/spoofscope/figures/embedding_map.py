"""Where clips lie in what a tracer knows of them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.exhibits import Figure
from spoofscope.figures.style import BONAFIDE, COLOURS, PAGE, legend_below, panel_pages, save
from spoofscope.figures.traced import attacks_in, panel_title, short_names
from spoofscope.names import BONAFIDE as BONAFIDE_NAME
from spoofscope.tracing.outputs import read_outputs
from spoofscope.tracing.traces import read_traces

FIGURE = Figure(
    title="Map of the clips",
    shows="The read-out vectors of every tracer in two dimensions: known and unknown attacks.",
    caption=(
        "The vectors that a tracer reads out of clips, projected on the two directions in which "
        "they vary most (principal components of these clips); the axes give the share of the "
        "variance. Known attacks have filled marks, unknown ones crosses. Attacks that overlap "
        "here may be apart in other directions, so the map shows what is close and proves no "
        "overlap. At most 2000 clips are drawn, evenly over the list; brackets count the drawn "
        "ones."
    ),
    needs="shown_vectors",
    place=178,
    section="tracing",
)

_MOST_CLIPS, _MOST_CROSSES = 2000, 12
_FILLED, _CROSSES = "os^vDPX<>ph*", "x+"
_TOGETHER = "unknown attacks"

# Inches of a line of the legend, and of a legend; attacks beside each other in a wide one, and most
# attacks of a narrow figure.
_LINE, _TALLEST_LEGEND, _BESIDE, _FEW = 0.15, 5.0, 3, 12


def draw(traced: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Draw one panel per tracer and set.

    Args:
        traced: name, seed, corpus, split and the files traces and outputs.
        outputs: `pdf`, `png`, `tsv`.
    """
    maps = [mapped(entry) for entry in traced]
    marks = _marks(maps)
    wide = len(traced) > 1 or len(marks) > _FEW
    beside = _BESIDE if wide else 1
    legend = min(_LINE * math.ceil(len(marks) / beside) + 0.3, _TALLEST_LEGEND)
    figures, panels = panel_pages(len(traced), 2, 2.8, legend, PAGE if wide else None)
    handles: dict[str, Any] = {}
    for axes, entry, table in zip(panels, traced, maps, strict=True):
        for attack, (label, style) in marks.items():
            own = table.filter(attack=attack)
            handle = axes.scatter(own["x"], own["y"], s=9, alpha=0.75, **style)
            handles.setdefault(label, handle)
        axes.set_title(panel_title(entry, traced), fontsize=7.5)
        labels = [
            f"component {i} ({100 * table[f'share_{i}'][0]:.0f} % of the variance)" for i in (1, 2)
        ]
        axes.set_xlabel(labels[0], fontsize=7)
        axes.set_ylabel(labels[1], fontsize=7)
        axes.set_xticks([])
        axes.set_yticks([])
    for figure in figures:
        legend_below(figure, list(handles.values()), list(handles))
    save(figures, outputs, pl.concat(maps))


def mapped(entry: Mapping[str, Any]) -> pl.DataFrame:
    """The drawn clips of a tracer and set.

    Returns:
        name, seed, corpus, split, utt_id, attack, known (yes or no), known_id, x, y, share_1 and
        share_2 (of the variance).
    """
    clips = read_traces(entry["traces"])
    utt_ids, given = read_outputs(entry["outputs"])
    places = {utt_id: i for i, utt_id in enumerate(utt_ids)}
    points, shares = projected(given.vectors[[places[utt_id] for utt_id in clips["utt_id"]]])
    drawn = np.unique(np.linspace(0, clips.height - 1, _MOST_CLIPS).round().astype(int))
    return clips.select(
        *(pl.lit(entry[key]).alias(key) for key in ("name", "seed", "corpus", "split")),
        *("utt_id", "attack", "known", "known_id"),
        pl.Series("x", points[:, 0]),
        pl.Series("y", points[:, 1]),
        *(pl.lit(share).alias(f"share_{i}") for i, share in enumerate(shares, start=1)),
    )[drawn]


def projected(vectors: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], list[float]]:
    """Vectors (n, D) on their first two principal components.

    Returns:
        Points (n, 2), and the share of the variance of each component; a component that there is
        not is 0.
    """
    from sklearn.decomposition import PCA

    count = min(2, *vectors.shape)
    fitted = PCA(count, svd_solver="full")
    points = np.zeros((len(vectors), 2))
    if np.ptp(vectors, axis=0).any():
        points[:, :count] = fitted.fit_transform(vectors.astype(np.float64))
        shares = [float(share) for share in fitted.explained_variance_ratio_]
    else:
        shares = []
    return points, [*shares, 0.0, 0.0][:2]


def _marks(maps: Sequence[pl.DataFrame]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Label and look of each attack: unknown ones are crosses, of one look if they are many."""
    clips = pl.concat(maps)
    known, unknown = attacks_in(clips)
    unknown = [attack for attack in unknown if attack not in known]
    first = maps[0].select("attack").group_by("attack").len()
    counts = dict(first.iter_rows())
    shorts = dict(zip((*known, *unknown), short_names([*known, *unknown]), strict=True))
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for number, attack in enumerate(known):
        style = {
            "marker": _FILLED[number % len(_FILLED)],
            "color": BONAFIDE if attack == BONAFIDE_NAME else COLOURS[number % len(COLOURS)],
            "edgecolors": "none",
            "zorder": 2,
        }
        found[attack] = (f"{shorts[attack]} ({counts.get(attack, 0)})", style)
    for number, attack in enumerate(unknown):
        style = {
            "marker": _CROSSES[number % len(_CROSSES)],
            "color": COLOURS[(len(known) + number) % len(COLOURS)],
            "linewidths": 0.8,
            "zorder": 1.5,
        }
        label = f"{shorts[attack]}, unknown ({counts.get(attack, 0)})"
        if len(unknown) > _MOST_CROSSES:
            style |= {"marker": "x", "color": "#333333"}
            label = f"{len(unknown)} {_TOGETHER} ({sum(counts.get(name, 0) for name in unknown)})"
        found[attack] = (label, style)
    return found
