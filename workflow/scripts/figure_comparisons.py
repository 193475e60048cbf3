"""Draw the figure comparisons."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.comparisons import draw

    draw(snakemake.input.table[0], dict(snakemake.output.items()))
