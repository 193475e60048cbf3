"""The main metrics of every system on every scored set."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.summaries.headline import headline
    from spoofscope.tables import write_table

    write_table(snakemake.output[0], headline(cfg["systems"], snakemake.input.metrics))
