"""Draw the figure layer_weights."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.layer_weights import draw

    draw(cfg["systems"], snakemake.input.layers, dict(snakemake.output.items()))
