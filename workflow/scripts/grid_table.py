"""All points of a grid, best first."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.summaries.grid import grid_table
    from spoofscope.tables import write_table

    write_table(snakemake.output[0], grid_table(cfg["axes"], cfg["points"], snakemake.input))
