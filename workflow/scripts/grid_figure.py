"""Draw the error rates over a grid."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.grid import draw

    draw(snakemake.input.table, dict(cfg["axes"]), dict(snakemake.output.items()))
