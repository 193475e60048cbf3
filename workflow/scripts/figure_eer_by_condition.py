"""Draw the figure eer_by_condition."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.eer_by_condition import draw

    draw(cfg["systems"], snakemake.input.metrics, dict(snakemake.output.items()))
