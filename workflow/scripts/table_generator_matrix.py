"""Error rates of every detector on every generator."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.metrics.generators import over_trainings
    from spoofscope.summaries.generator_matrix import generator_table
    from spoofscope.tables import write_table

    table = generator_table(cfg["systems"], cfg["sets"], cfg["threshold"], **cfg["bootstrap"])
    write_table(snakemake.output.matrix, over_trainings(table))
    write_table(snakemake.output.seeds, table)
