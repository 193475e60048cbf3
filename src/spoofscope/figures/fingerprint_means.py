"""Fingerprints: mean packet magnitudes of every generator over those of bona fide speech."""

from collections.abc import Mapping

import polars as pl

from spoofscope.exhibits import Figure
from spoofscope.figures.spectra import PER_ROW, name_lines, panels, plot, points
from spoofscope.figures.style import BONAFIDE, SPOOF, log_scale, people, save
from spoofscope.fingerprints.means import read_fingerprints

FIGURE = Figure(
    title="Fingerprints",
    shows="Mean spectrum of every generator over the mean spectrum of bona fide speech.",
    caption=(
        "Mean magnitudes of wavelet packet coefficients by frequency, of every generator (orange) "
        "and of the bona fide speech that it is compared with (blue). If there are more bands "
        "than points, the line is the mean of a point's bands, and the shade reaches from the "
        "lowest to the highest band."
    ),
    needs="mean_spectra",
    place=410,
    section="fingerprint",
)


def draw(fingerprints: str, outputs: Mapping[str, str]) -> None:
    """Draw one panel per generator.

    Args:
        fingerprints: see `fingerprints.means.write_fingerprints`.
        outputs: `pdf`, `png`, `tsv`.
    """
    read = read_fingerprints(fingerprints)
    frequencies = read.frequencies("packets")
    generated, real = read.magnitudes("packets")
    figures, axes = panels(len(read.sources) - 1, 1.6)
    tables = []
    for i, panel in enumerate(axes, start=1):
        source = read.sources[i]
        # Bona fide above: where both are the same, the dashes let the generator be seen.
        for values, colour, label, line in (
            (generated, SPOOF, "generator", "-"),
            (real, BONAFIDE, "bona fide", "--"),
        ):
            shown = points(frequencies, values[i])
            plot(panel, shown, colour, label, line)
            name = "bonafide" if colour == BONAFIDE else source
            tables.append(
                shown.select(pl.lit(source).alias("generator"), pl.lit(name).alias("of"), pl.all())
            )
        log_scale(panel)
        panel.set_title(f"{people().attack(source)} ({read.n_clips[i]} clips)")
        panel.set_xlim(0, read.sample_rate / 2000)
        if (i - 1) % PER_ROW == 0:
            panel.set_ylabel("mean |coefficient|")
    name_lines(figures)
    save(figures, outputs, pl.concat(tables))
