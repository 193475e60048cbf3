"""Macro average and worst level of every condition."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.summaries.breakdowns import breakdowns
    from spoofscope.tables import write_table

    table = breakdowns(cfg["systems"], snakemake.input.metrics, cfg["conditions"])
    write_table(snakemake.output[0], table)
