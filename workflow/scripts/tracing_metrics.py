"""Measure how well a tracer names attacks and tells unknown ones."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    from spoofscope.tables import write_table
    from spoofscope.tracing.fitted import read_tracer
    from spoofscope.tracing.traces import measures, read_traces

    ood = read_tracer(Path(snakemake.input.tracer).parent)["ood"]
    table = measures(
        read_traces(snakemake.input.traces),
        {name: entry["threshold"] for name, entry in ood.items()},
        ambiguous=cfg["ambiguous"],
        unit=cfg["unit"],
        resamples=cfg["resamples"],
        seed=cfg["seed"],
    )
    write_table(snakemake.output[0], table)
