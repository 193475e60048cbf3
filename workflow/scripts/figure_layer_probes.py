"""Draw the figure layer_probes."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.layer_probes import draw

    draw(snakemake.input.probes, dict(snakemake.output.items()))
