"""Draw the figure generator_matrix."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.generator_matrix import draw

    draw(snakemake.input.table[0], dict(snakemake.output.items()))
