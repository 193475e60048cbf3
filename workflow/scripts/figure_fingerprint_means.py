"""Draw the figure fingerprint_means."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.fingerprint_means import draw

    draw(snakemake.input.fingerprints[0], dict(snakemake.output.items()))
