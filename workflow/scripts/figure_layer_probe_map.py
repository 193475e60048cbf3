"""Draw the figure layer_probe_map."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.layer_probe_map import draw

    draw(snakemake.input.probes, dict(snakemake.output.items()))
