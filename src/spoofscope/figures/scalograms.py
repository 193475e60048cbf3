"""Scalograms: the continuous wavelet transform of one clip of every source."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from matplotlib.colors import Normalize
from matplotlib.ticker import FixedLocator, NullLocator

from spoofscope.exhibits import Figure
from spoofscope.figures.style import PAGE, new_figure, people, save
from spoofscope.fingerprints.scalogram import (
    centre_frequencies,
    one_clip_each,
    read_passages,
    scalograms,
)
from spoofscope.fingerprints.spectra import Floats
from spoofscope.tables import read_table

FIGURE = Figure(
    title="Scalograms",
    shows="Continuous wavelet transform of one bona fide clip and one clip of every generator.",
    caption=(
        "Magnitude of the continuous wavelet transform (complex Morlet, cmor6.0-1.0) of the start "
        "of one clip of every source. The clips are drawn at random, with the same values of the "
        "keys match and group if there are such clips. The frequency resolution is fine at low "
        "frequencies, the time resolution at high ones. 0 dB is a sinusoid of full scale. All "
        "panels have the same colour scale of 70 dB. There are at most 20 panels; the key "
        "attacks chooses the generators."
    ),
    needs="single_clips",
    place=405,
    section="fingerprint",
)

_PANELS = 20
_STEPS = 160
_RANGE_DB = 70.0
_TICKS = (100, 200, 500, 1000, 2000, 5000, 10000, 20000)

_CLIPS: dict[str, pl.DataType] = dict.fromkeys(
    ("utt_id", "path", "source", "voice", "group"), pl.String()
)


def draw(
    clips: str,
    seconds: float,
    sample_rate: int | None,
    seed: int,
    outputs: Mapping[str, str],
) -> None:
    """Draw one panel per source.

    Args:
        clips: table of the clips that fingerprints are made of, see `means.choose_clips`.
        seconds: of each clip, from its start.
        sample_rate: Hz; None takes the files'.
        seed: of the choice of clips.
        outputs: `pdf`, `png`, `tsv`.
    """
    chosen = one_clip_each(read_table(clips, _CLIPS), seed).head(_PANELS)
    passages, rate = read_passages(chosen, seconds, sample_rate)
    levels = scalograms(passages, rate, _STEPS).round(1)
    hertz = centre_frequencies(rate)
    times = (np.arange(_STEPS) + 0.5) * seconds / _STEPS
    top = 5 * np.ceil(levels.max() / 5)
    columns = 2 if len(levels) <= 10 else 3 if len(levels) <= 15 else 4
    rows = -(-len(levels) // columns)
    figure = new_figure(PAGE, 1.55 * rows + 0.5)
    axes = []
    for i, (level, source) in enumerate(zip(levels, chosen["source"], strict=True)):
        panel = figure.add_subplot(rows, columns, i + 1)
        mesh = panel.pcolormesh(
            times,
            hertz,
            level,
            norm=Normalize(top - _RANGE_DB, top),
            cmap="magma",
            shading="nearest",
            rasterized=True,
        )
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(
            FixedLocator([tick for tick in _TICKS if hertz[0] <= tick <= hertz[-1]])
        )
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_locator(NullLocator())
        panel.grid(visible=False)
        panel.set_title(people().attack(source), loc="left", fontsize=8)
        panel.tick_params(labelleft=i % columns == 0, labelbottom=i + columns >= len(levels))
        axes.append(panel)
    figure.supxlabel("seconds", fontsize=8)
    figure.supylabel("Hz", fontsize=8)
    figure.colorbar(mesh, ax=axes, label="dB of full scale", fraction=0.02, aspect=60, pad=0.01)
    save(figure, outputs, _numbers(chosen, hertz, times, levels))


def _numbers(chosen: pl.DataFrame, hertz: Floats, times: Floats, levels: Floats) -> pl.DataFrame:
    """source, utt_id, hz, seconds and db of every point."""
    return pl.concat(
        pl.DataFrame(
            {
                "hz": np.repeat(hertz.round(1), times.size),
                "seconds": np.tile(times.round(4), hertz.size),
                "db": level.ravel(),
            }
        ).select(
            pl.lit(row["source"]).alias("source"), pl.lit(row["utt_id"]).alias("utt_id"), pl.all()
        )
        for row, level in zip(chosen.iter_rows(named=True), levels, strict=True)
    )
