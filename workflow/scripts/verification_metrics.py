"""Measure how well a tracer's vectors tell sources."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.tables import write_table
    from spoofscope.tracing.verification import read_scored_trials, verification_metrics

    scored = read_scored_trials(snakemake.input.scores)
    write_table(snakemake.output[0], verification_metrics(scored, cfg["resamples"], cfg["seed"]))
