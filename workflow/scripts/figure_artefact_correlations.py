"""Draw the figure artefact_correlations."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.artefact_correlations import draw

    draw(cfg["systems"], snakemake.input.correlations, dict(snakemake.output.items()))
