"""Reliability diagrams: predicted probabilities against observed frequencies."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from matplotlib.axes import Axes

from spoofscope.errors import SpoofscopeError
from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    COLOURS,
    PAGE,
    interval_words,
    legend_below,
    new_figure,
    note,
    pages,
    people,
    save,
    system_labels,
)
from spoofscope.metrics.bootstrap import Draws
from spoofscope.metrics.reliability import reliability
from spoofscope.metrics.tables import draw as draw_trials
from spoofscope.selection.calibration import log_likelihood_ratios
from spoofscope.settings import stored_calibration
from spoofscope.summaries.inputs import read_scored, sets_of
from spoofscope.tables import LABELS

FIGURE = Figure(
    title="Are the probabilities right?",
    shows=(
        "Predicted probabilities of the systems against observed frequencies, before and after "
        "calibration."
    ),
    caption=(
        "Share of bona fide clips among the clips with a predicted probability of bona fide. On "
        "the diagonal the probabilities are right; below it, the detector overestimates them. Raw "
        "takes scores for log-likelihood ratios, which uncalibrated scores need not be; "
        "calibrated applies the calibration fitted on the development set, within the bounds that "
        "the set supports. ECE is the mean distance from the diagonal over bins of equal width, "
        "with its 95 % interval below it; the ECE of a few clips is too large even if all "
        "probabilities are right. Larger dots stand for more clips, bars are 95 % intervals (at "
        "least the exact binomial ones), a bin of fewer than 5 clips has an open dot and no part "
        "in the line, and the histogram below each diagram counts the clips per probability. The "
        "remark says whether calibration lowers this ECE; intervals say how far to trust it."
    ),
    needs="probabilities",
    place=170,
)

_COLUMNS = 4
# Inches of a diagram with its histogram, and of the legend.
_HEIGHT, _LEGEND = 3.0, 0.35
# Colour, marker, and on which side the calibration error stands.
_LOOKS = {"raw": (COLOURS[1], "o", "left"), "calibrated": (COLOURS[0], "s", "right")}
_FEW = 5
"""Clips of a bin; fewer say next to nothing about its frequency."""


def draw(
    scored: Sequence[Mapping[str, Any]],
    outputs: Mapping[str, str],
    *,
    bins: int,
    prior: float,
    resamples: int = 0,
    bootstrap_seed: int = 1,
    cluster: str | None = None,
) -> None:
    """Draw one panel per evaluation set and system: observed over predicted probability.

    "raw" takes scores for log-likelihood ratios, which uncalibrated scores need not be;
    "calibrated" are the ratios of the development set's calibration, within its bounds. Bars are
    the 95 % intervals of the bins; the two numbers below the calibration error are its interval,
    see `metrics.reliability`. The histogram below counts the clips per probability.

    Args:
        scored: as in `det_curves.draw`, each with `detector`, the file with the system's
            calibration (see `selection.calibration`); None without one, as for external scores.
        outputs: `pdf`, `png`, `tsv`.
        bins: of the probability.
        prior: of bona fide, to which the classes are weighted.
        resamples, bootstrap_seed, cluster: of the intervals, as in `metrics.tables.evaluate`.

    Raises:
        SpoofscopeError: no set has both classes.
    """
    panels = []
    for (corpus, split), of_set in sorted(sets_of(scored).items()):
        for entry in of_set:
            trials = read_scored(entry["scores"], entry["manifest"], split)
            if trials["label"].n_unique() == len(LABELS):
                # As in the tables of metrics, whose resamples these are.
                panels.append((corpus, split, entry, trials.sort("utt_id")))
    if not panels:
        raise SpoofscopeError("reliability: no eval set has bona fide and spoofed trials")
    labels = system_labels([system for _, _, system, _ in panels])
    figures = []
    tables: list[pl.DataFrame] = []
    lines = [panels[i : i + _COLUMNS] for i in range(0, len(panels), _COLUMNS)]
    for page in pages([_HEIGHT] * len(lines), _LEGEND):
        figure = new_figure(PAGE, _HEIGHT * len(page) + _LEGEND)
        figures.append(figure)
        shown: dict[str, Any] = {}
        grid = figure.add_gridspec(len(page), _COLUMNS)
        for row, i in enumerate(page):
            for column, (corpus, split, system, trials) in enumerate(lines[i]):
                parts = grid[row, column].subgridspec(2, 1, height_ratios=[3.2, 1])
                both = figure.add_subplot(parts[0]), figure.add_subplot(parts[1])
                draws = None
                if resamples:
                    draws = draw_trials(trials, resamples, bootstrap_seed, cluster)
                measured = _all_measured(system, trials, draws, prior, bins)
                shown |= _panel(both, measured)
                name = labels[system["id"], system["seed"]]
                title = f"{name}\n{people().trials(corpus, split)}"
                both[0].set_title(
                    title + _remark(measured), fontsize=8, pad=16 if draws is None else 26
                )
                below = row + 1 < len(page) and column < len(lines[page[row + 1]])
                if not below:
                    both[1].set_xlabel("predicted p(bona fide)")
                if not column:
                    both[0].set_ylabel("share of bona fide")
                    both[1].set_ylabel("clips")
                for kind, table in measured.items():
                    where = {"corpus": corpus, "split": split, "name": system["name"]}
                    named = {**where, "scores": kind}
                    tables.append(
                        table.select(*(pl.lit(v).alias(k) for k, v in named.items()), pl.all())
                    )
        kinds = [kind for kind in _LOOKS if kind in shown]
        handles = [shown[kind] for kind in kinds]
        low = pl.concat(table["ci_low"] for table in tables)
        words = interval_words("bars: 95 % intervals", low)
        words.append(f"open: fewer than {_FEW} clips")
        handles += [note(text) for text in words]
        legend_below(figure, handles, [*kinds, *words])
    save(figures, outputs, pl.concat(tables))


def _all_measured(
    system: Mapping[str, Any], trials: pl.DataFrame, draws: Draws | None, prior: float, bins: int
) -> dict[str, pl.DataFrame]:
    """The bins of the raw and of the calibrated probabilities, where there are such."""
    calibration = stored_calibration(system["detector"]) if system["detector"] else None
    return {
        kind: _measured(ratios, prior, bins, trials, draws)
        for kind, ratios in _ratios(system, trials, calibration).items()
    }


def _panel(both: tuple[Axes, Axes], measured: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    """The diagram, with the counts below it; the line of each kind."""
    upper, lower = both
    shown = {}
    for kind, table in measured.items():
        shown[kind] = _curve(upper, table, kind)
        lower.stairs(*_steps(table), color=_LOOKS[kind][0], linewidth=1)
    lower.set_xlim(-0.02, 1.02)
    lower.set_ylim(bottom=0)
    return shown


def _remark(measured: Mapping[str, pl.DataFrame]) -> str:
    """What calibration does to the calibration error, where both are known."""
    if len(measured) < 2:
        return ""
    errors = {kind: float(table["ece"][0]) for kind, table in measured.items()}
    if errors["calibrated"] == errors["raw"]:
        return "\ncalibrated: ECE as raw"
    return f"\ncalibrated: ECE {'lower' if errors['calibrated'] < errors['raw'] else 'higher'}"


_Ratios = tuple[Any, Any]


def _ratios(
    system: Mapping[str, Any], trials: pl.DataFrame, calibration: Mapping[str, Any] | None
) -> dict[str, _Ratios]:
    """Log-likelihood ratios of bona fide and of spoof, raw and, if possible, calibrated."""
    raw = tuple(trials.filter(pl.col("label") == label)["score"].to_numpy() for label in LABELS)
    kinds: dict[str, _Ratios] = {}
    if system["kind"] != "fusion":
        kinds["raw"] = raw[0], raw[1]
    if calibration is not None:
        bonafide, spoof = (log_likelihood_ratios(scores, calibration) for scores in raw)
        kinds["calibrated"] = bonafide, spoof
    return kinds


def _measured(
    ratios: _Ratios, prior: float, bins: int, trials: pl.DataFrame, draws: Draws | None
) -> pl.DataFrame:
    units = None
    if draws is not None:
        first, second = (draws.units[(trials["label"] == label).to_numpy()] for label in LABELS)
        units = first, second
    even = reliability(*ratios, prior, bins, units=units, draws=draws)
    adaptive = reliability(*ratios, prior, bins, adaptive=True, units=units, draws=draws)
    numbers: dict[str, float | None] = {"prior": prior}
    for name, error in (("ece", even), ("ece_adaptive", adaptive)):
        low, high = error.interval or (None, None)
        numbers |= {name: error.error, f"{name}_low": low, f"{name}_high": high}
    return even.table.with_columns(
        pl.lit(value, pl.Float64).alias(name) for name, value in numbers.items()
    )


def _curve(axes: Axes, table: pl.DataFrame, kind: str) -> Any:
    colour, marker, side = _LOOKS[kind]
    axes.axline((0, 0), slope=1, color="#bbbbbb", linewidth=0.8, zorder=0)
    predicted, observed = table["predicted"].to_numpy(), table["observed"].to_numpy()
    many = (table["n_bonafide"] + table["n_spoof"]).to_numpy() >= _FEW
    (line,) = axes.plot(predicted[many], observed[many], color=colour, linewidth=0.9)
    for x, low, high in zip(predicted, table["ci_low"], table["ci_high"], strict=True):
        if low is not None:
            axes.plot([x, x], [low, high], color=colour, linewidth=0.6, alpha=0.7)
    # A bin of few clips is a small dot: it says little.
    sizes = 3 + 90 * table["mass"].to_numpy()
    for some, face in ((many, colour), (~many, "white")):
        axes.scatter(
            predicted[some],
            observed[some],
            s=sizes[some],
            facecolors=face,
            edgecolors=colour,
            linewidths=0.7,
            marker=marker,
            zorder=3,
        )
    axes.text(
        0.0 if side == "left" else 1.0,
        1.02,
        f"ECE {100 * table['ece'][0]:.1f} %{_between(table)}",
        color=colour,
        fontsize=7,
        ha=side,
        va="bottom",
        transform=axes.transAxes,
    )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xticklabels([])
    return line


def _between(table: pl.DataFrame) -> str:
    low, high = table.select("ece_low", "ece_high").row(0)
    return "" if low is None else f"\n{100 * low:.1f} to {100 * high:.1f}"


def _steps(table: pl.DataFrame) -> tuple[list[int], list[float]]:
    """Clips per bin and the bins' edges from 0 to 1, with 0 where bins are empty."""
    counts = (table["n_bonafide"] + table["n_spoof"]).to_list()
    heights: list[int] = []
    edges = [0.0]
    for low, high, count in zip(table["low"], table["high"], counts, strict=True):
        if low > edges[-1]:
            heights.append(0)
            edges.append(low)
        heights.append(count)
        edges.append(high)
    if edges[-1] < 1:
        heights.append(0)
        edges.append(1.0)
    return heights, edges
