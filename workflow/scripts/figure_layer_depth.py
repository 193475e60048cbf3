"""Draw the figure layer_depth."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.layer_depth import draw

    draw(cfg["curves"], snakemake.input.metrics, dict(snakemake.output.items()))
