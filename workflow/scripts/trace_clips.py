"""Say of every clip of a split which attack made it, or that it is an unknown one."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.tables import read_manifest, write_table
    from spoofscope.tracing.fitted import FittedTracer
    from spoofscope.tracing.traces import in_order, traces

    manifest = read_manifest(snakemake.input.manifest)
    ids = manifest.filter(pl.col("split") == cfg["split"])["utt_id"].to_list()
    outputs = in_order(ids, [snakemake.input.outputs])
    tracer = FittedTracer.load(cfg["folder"])
    table = traces(tracer, manifest, cfg["split"], outputs, cfg["families"])
    write_table(snakemake.output[0], table)
