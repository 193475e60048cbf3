"""Compare detectors in pairs."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.summaries.comparisons import comparisons
    from spoofscope.tables import write_table

    table = comparisons(
        cfg["systems"], cfg["root"], cfg["resamples"], cfg["bootstrap_seed"], cfg["cluster"]
    )
    write_table(snakemake.output[0], table)
