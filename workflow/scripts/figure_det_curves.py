"""Draw the figure det_curves."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.det_curves import draw

    draw(cfg["systems"], cfg["sets"], cfg["root"], dict(snakemake.output.items()))
