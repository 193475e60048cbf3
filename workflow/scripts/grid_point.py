"""Error rates of one point of a grid over its training seeds."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.summaries.grid import point_table
    from spoofscope.tables import write_table

    write_table(
        snakemake.output[0], point_table(snakemake.input.metrics, snakemake.input.detectors)
    )
