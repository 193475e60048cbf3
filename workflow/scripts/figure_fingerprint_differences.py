"""Draw the figure fingerprint_differences."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.fingerprint_differences import draw

    draw(
        snakemake.input.fingerprints[0],
        snakemake.input.stability[0],
        dict(snakemake.output.items()),
    )
