"""Join the score shards of a split."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.scoring import gather
    from spoofscope.tables import read_manifest

    manifest = read_manifest(snakemake.input.manifest)
    rows = manifest.filter(pl.col("split") == cfg["split"])
    gather(snakemake.input.shards, rows, snakemake.output[0])
