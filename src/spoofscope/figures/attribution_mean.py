"""Mean attribution over many windows, by frequency and time."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import SubFigure

from spoofscope.attribution.mean_store import Floats, MeanAttribution, MeanSettings, read_means
from spoofscope.attribution.verdicts import Standing, of_controls, read_checks, wrapped_note
from spoofscope.exhibits import Figure
from spoofscope.figures.style import (
    BONAFIDE,
    EVIDENCE,
    PAGE,
    SPOOF,
    line_style,
    new_figure,
    pages,
    people,
    save,
)

FIGURE = Figure(
    title="Frequencies that the detectors use",
    shows="Mean attribution by frequency and time, for bona fide speech, spoofs and both.",
    caption=(
        "Integrated Gradients, averaged over windows that were drawn evenly over the attacks; "
        "blue is evidence for bona fide, orange for spoof. The three maps of a detector have one "
        "colour range, symmetric about zero, up to the magnitude that 99 % of their cells do not "
        "exceed; the largest stands beside the colour bar. The curves below are sums over time, "
        "with a band of one standard error over windows; the number of windows is in brackets. "
        "Attacks of fewer than 5 windows have no curve. A line below a "
        "detector's name says where explanations of its single clips do not pass their controls, "
        "or were not held against any. A number with a star: windows whose attribution misses the "
        "difference of the scores by more than the tolerance; they are in the means all the same."
    ),
    needs="mean_attributions",
    place=230,
)

_CLASSES = {"bonafide": "bona fide", "spoof": "spoof", "both": "both"}
_CURVES = {
    "bonafide": {"color": BONAFIDE, "linestyle": "-"},
    "spoof": {"color": SPOOF, "linestyle": "--"},
}
# Inches of a detector, and of what stands beside its maps.
_HEIGHT, _BESIDE = 4.3, 1.5
_INCOMPLETE = "*: windows whose attribution is not complete"
_FEW = 5
"""Windows of an attack; the mean of fewer is hardly one."""
_SHOWN = 0.99
"""Share of the cells within the range of colours; one band would make the others white."""
_MOST_CURVES = 16


def draw(
    detectors: Sequence[str],
    maps: Sequence[str],
    checks: Sequence[str | None],
    outputs: Mapping[str, str],
) -> None:
    """Draw for each detector three maps over time and frequency, and below a curve per group.

    Blue is evidence for bona fide, orange for spoof. The three maps of a detector have one colour
    range, symmetric about zero, up to the magnitude that 99 % of their cells do not exceed. The
    curves are sums over time, with a band of one standard error over windows to either side.

    Args:
        detectors: name of the detector of each file.
        maps: files of `attribution.mean_store`.
        checks: of each detector's explanations of clips; None where it has none.
        outputs: `pdf`, `png`, `tsv`.
    """
    contents = [read_means(path) for path in maps]
    figures = []
    numbers = []
    for page in pages([_HEIGHT] * len(maps)):
        figure = new_figure(PAGE, _HEIGHT * len(page))
        figures.append(figure)
        parts = figure.subfigures(len(page), 1, squeeze=False)[:, 0]
        for part, i in zip(parts, page, strict=True):
            settings, means = contents[i]
            checked = checks[i]
            standing: Standing = (
                "unchecked" if checked is None else of_controls(read_checks(checked))
            )
            name = people().system(detectors[i])
            doubts = wrapped_note({name: standing}, PAGE)
            title = f"{name}: attribution of the {_what(settings)}"
            missed = any(mean.beyond for mean in means if mean.group in _CLASSES)
            below = [doubts, _INCOMPLETE if missed else ""]
            part.suptitle("\n".join([title, *filter(None, below)]), fontsize=8)
            _detector(part, settings, means)
            listed = _numbers(detectors[i], settings, means)
            numbers.append(listed.with_columns(pl.lit(standing).alias("controls")))
    save(figures, outputs, pl.concat(numbers))


def _detector(part: SubFigure, settings: MeanSettings, means: Sequence[MeanAttribution]) -> None:
    """Three maps of a detector, and below them the curves."""
    grid = part.add_gridspec(2, 4, height_ratios=[1.2, 1], width_ratios=[2, 2, 2, _BESIDE])
    classes = [mean for mean in means if mean.group in _CLASSES]
    signed = [_for_bonafide(settings, mean.attribution) for mean in classes]
    sizes = np.abs(np.concatenate([values.ravel() for values in signed]))
    largest = float(sizes.max()) or 1.0
    reach = float(np.quantile(sizes, _SHOWN)) or largest
    image: Any = None
    for column, (mean, values) in enumerate(zip(classes, signed, strict=True)):
        axes = part.add_subplot(grid[0, column])
        image = _map(axes, settings, values, reach)
        count = f"{mean.n_windows} window{'s' if mean.n_windows != 1 else ''}"
        missed = f", {mean.beyond}*" if mean.beyond else ""
        axes.set_title(f"{_CLASSES[mean.group]} ({count}{missed})", fontsize=8)
        if column == 0:
            axes.set_ylabel("frequency (kHz)")
        else:
            axes.tick_params(labelleft=False)
    beside = part.add_subplot(grid[0, 3])
    beside.set_axis_off()
    bar = part.colorbar(image, cax=beside.inset_axes((0.0, 0.0, 0.08, 1.0)), extend="both")
    bar.set_label(f"spoof ← mean → bona fide\n(largest magnitude {largest:.2g})", fontsize=7)
    bar.ax.ticklabel_format(axis="y", scilimits=(-2, 2))
    curves = part.add_subplot(grid[1, :3])
    _curves(curves, settings, means)
    beside = part.add_subplot(grid[1, 3])
    beside.set_axis_off()
    beside.legend(
        *curves.get_legend_handles_labels(),
        loc="center left",
        borderaxespad=0,
        title="shade: ±1 standard error",
        title_fontsize=7,
    )


def _what(settings: MeanSettings) -> str:
    what = "probability" if settings.function == "probability" else "score"
    target = "bona fide" if settings.target == "bonafide" else "spoof"
    return f"{what} of {target}, baseline {settings.baseline}"


def _for_bonafide(settings: MeanSettings, values: Floats) -> Floats:
    """Evidence for bona fide; the probabilities of both classes add up to 1."""
    return values if settings.target == "bonafide" else -values


def _map(axes: Axes, settings: MeanSettings, values: Floats, largest: float) -> object:
    """Draw a map (bands, frames), frames at their places in the window."""
    first, hop = settings.first_centre_seconds, settings.hop_seconds
    times = first + hop * (np.arange(values.shape[1] + 1) - 0.5)
    image = axes.pcolormesh(
        times,
        np.array(settings.band_edges) / 1000,
        values,
        cmap=EVIDENCE,
        norm=Normalize(-largest, largest),
        rasterized=True,
    )
    # Frames beyond the ends see the window continued by reflection.
    axes.set_xlim(0, settings.window_seconds)
    axes.set_xlabel("time in the window (s)")
    axes.grid(visible=False)
    return image


def _curves(axes: Axes, settings: MeanSettings, means: Sequence[MeanAttribution]) -> None:
    edges = np.array(settings.band_edges)
    centres = (edges[:-1] + edges[1:]) / 2000
    attacks = 0
    for mean in means:
        if mean.group == "both":
            continue
        if mean.group == "attack" and (mean.n_windows < _FEW or attacks == _MOST_CURVES):
            continue
        curve = _for_bonafide(settings, mean.frequency)
        if mean.group == "attack":
            label = people().attack(mean.attack)
            style = {**line_style(attacks), "linewidth": 0.8, "zorder": 2}
            attacks += 1
        else:
            label = _CLASSES[mean.group]
            style = {**_CURVES[mean.group], "linewidth": 1.4, "zorder": 3}
        axes.plot(centres, curve, label=f"{label} ({mean.n_windows})", **style)
        axes.fill_between(
            centres,
            curve - mean.frequency_error,
            curve + mean.frequency_error,
            color=style["color"],
            alpha=0.18,
            linewidth=0,
        )
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xlim(0, edges[-1] / 1000)
    axes.set_xlabel("frequency (kHz)")
    axes.set_ylabel("sum over time\nspoof ← → bona fide")
    axes.ticklabel_format(axis="y", scilimits=(-2, 2))


def _numbers(name: str, settings: MeanSettings, means: Sequence[MeanAttribution]) -> pl.DataFrame:
    """The curves of all groups, as evidence for bona fide; `maps` have the rest."""
    edges = settings.band_edges
    return pl.concat(
        pl.DataFrame(
            {
                "low_hz": edges[:-1],
                "high_hz": edges[1:],
                "attribution": _for_bonafide(settings, mean.frequency),
                "standard_error": mean.frequency_error,
            }
        ).select(
            pl.lit(name).alias("detector"),
            pl.lit(mean.group).alias("group"),
            pl.lit(mean.attack).alias("attack"),
            pl.lit(mean.n_windows).alias("n_windows"),
            pl.all(),
        )
        for mean in means
    ).with_columns(pl.col("standard_error").fill_nan(None))
