"""Draw the figure attribution_mean."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.attribution_mean import draw

    draw(cfg["detectors"], snakemake.input.maps, dict(snakemake.output.items()))
