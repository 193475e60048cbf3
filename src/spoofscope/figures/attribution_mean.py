"""Mean attribution over many windows, by frequency and time."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize

from spoofscope.attribution.mean_store import Floats, MeanAttribution, MeanSettings, read_means
from spoofscope.attribution.verdicts import Standing, of_controls, read_checks, wrapped_note
from spoofscope.exhibits import Figure
from spoofscope.figures.style import BONAFIDE, SPOOF, line_style, new_figure, save

FIGURE = Figure(
    title="Frequencies that the detectors use",
    shows="Mean attribution by frequency and time, for bona fide speech, spoofs and both.",
    caption=(
        "Integrated Gradients, averaged over windows that were drawn evenly over the attacks; "
        "blue is evidence for bona fide, orange for spoof. The three maps of a detector have one "
        "colour range, symmetric about zero, up to the largest magnitude in any of them (beside "
        "the colour bar); values are not scaled. The curves below are sums over time, with a band "
        "of one standard error over windows; the number of windows is in brackets. A line below a "
        "detector's name says where explanations of its single clips do not pass their controls, "
        "or were not held against any."
    ),
    needs="mean_attributions",
    place=230,
)

_COLOURS = LinearSegmentedColormap.from_list("evidence", [SPOOF, "#ffffff", BONAFIDE])
_CLASSES = {"bonafide": "bona fide", "spoof": "spoof", "both": "both"}
_CURVES = {
    "bonafide": {"color": BONAFIDE, "linestyle": "-"},
    "spoof": {"color": SPOOF, "linestyle": "-"},
}
# Rows of a legend beside the curves.
_LEGEND_ROWS = 13


def draw(
    detectors: Sequence[str],
    maps: Sequence[str],
    checks: Sequence[str | None],
    outputs: Mapping[str, str],
) -> None:
    """Draw for each detector three maps over time and frequency, and below a curve per group.

    Blue is evidence for bona fide, orange for spoof. The three maps of a detector have one colour
    range, symmetric about zero, up to the largest magnitude in any of them; nothing is scaled.
    The curves are sums over time, with a band of one standard error over windows to either side.

    Args:
        detectors: name of the detector of each file.
        maps: files of `attribution.mean_store`.
        checks: of each detector's explanations of clips; None where it has none.
        outputs: `pdf`, `png`, `tsv`.
    """
    contents = [read_means(path) for path in maps]
    beside_maps = max(_legend_inches(means) for _, means in contents)
    figure = new_figure(6.6 + beside_maps, 4.4 * len(maps) + 0.1)
    parts = figure.subfigures(len(maps), 1, squeeze=False)[:, 0]
    numbers = []
    for part, name, checked, (settings, means) in zip(
        parts, detectors, checks, contents, strict=True
    ):
        standing: Standing = "unchecked" if checked is None else of_controls(read_checks(checked))
        doubts = wrapped_note({name: standing}, figure.get_figwidth())
        title = f"{name}: attribution of the {_what(settings)}"
        part.suptitle(f"{title}\n{doubts}" if doubts else title, fontsize=9)
        grid = part.add_gridspec(2, 4, height_ratios=[1.2, 1], width_ratios=[2, 2, 2, beside_maps])
        classes = [mean for mean in means if mean.group in _CLASSES]
        signed = [_for_bonafide(settings, mean.attribution) for mean in classes]
        largest = max(float(np.abs(values).max()) for values in signed) or 1.0
        for column, (mean, values) in enumerate(zip(classes, signed, strict=True)):
            axes = part.add_subplot(grid[0, column])
            image = _map(axes, settings, values, largest)
            count = f"{mean.n_windows} window{'s' if mean.n_windows != 1 else ''}"
            axes.set_title(f"{_CLASSES[mean.group]} ({count})", fontsize=8)
            if column == 0:
                axes.set_ylabel("frequency (kHz)")
            else:
                axes.tick_params(labelleft=False)
        beside = part.add_subplot(grid[0, 3])
        beside.set_axis_off()
        bar = part.colorbar(image, cax=beside.inset_axes((0.0, 0.0, 0.12 / beside_maps, 1.0)))
        bar.set_label(f"spoof ← mean → bona fide\n(largest magnitude {largest:.2g})", fontsize=7)
        bar.formatter.set_powerlimits((-2, 2))
        curves = part.add_subplot(grid[1, :3])
        _curves(curves, settings, means)
        beside = part.add_subplot(grid[1, 3])
        beside.set_axis_off()
        handles, names = curves.get_legend_handles_labels()
        columns = -(-len(names) // _LEGEND_ROWS)
        beside.legend(handles, names, loc="center left", ncols=columns, borderaxespad=0)
        numbers.append(
            _numbers(name, settings, means).with_columns(pl.lit(standing).alias("controls"))
        )
    save(figure, outputs, pl.concat(numbers))


def _legend_inches(means: Sequence[MeanAttribution]) -> float:
    """About how wide the legend is; narrower, long names would squeeze the maps."""
    # Everything but "both" has a curve.
    columns = -(-(len(means) - 1) // _LEGEND_ROWS)
    return columns * (0.055 * max(len(mean.attack) for mean in means) + 0.8)


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
        cmap=_COLOURS,
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
        curve = _for_bonafide(settings, mean.frequency)
        if mean.group == "attack":
            label = mean.attack
            # Blue and orange are the classes.
            style = {**line_style(attacks + 2), "linewidth": 0.8, "zorder": 2}
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
