"""Draw the figure disagreements."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.disagreements import draw

    draw(cfg["entries"], cfg["root"], dict(snakemake.output.items()))
