"""Draw the figure layer_weight_map."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.layer_weight_map import draw

    draw(cfg["systems"], snakemake.input.layers, dict(snakemake.output.items()))
