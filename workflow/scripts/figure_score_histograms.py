"""Draw the figure score_histograms."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.score_histograms import draw

    draw(cfg["systems"], cfg["sets"], cfg["root"], dict(snakemake.output.items()))
