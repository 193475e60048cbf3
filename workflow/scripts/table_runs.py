"""Which run id stands for which settings."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.summaries.runs import runs_table
    from spoofscope.tables import write_table

    write_table(snakemake.output[0], runs_table(cfg["runs"]))
