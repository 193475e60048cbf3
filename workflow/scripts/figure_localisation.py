"""Draw the figure localisation."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.localisation import draw

    draw(cfg["systems"], snakemake.input.localisation, dict(snakemake.output.items()))
