"""Align the clips of one shard."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.alignment.align import align_clips, build
    from spoofscope.alignment.base import Given
    from spoofscope.shards.journal import part
    from spoofscope.shards.parts import parse_shard, shard_rows
    from spoofscope.tables import read_manifest

    rows = read_manifest(snakemake.input.manifest).filter(pl.col("split") == cfg["split"])
    with part(cfg["work"], given(), snakemake.output[0]) as done:
        own = shard_rows(rows, *parse_shard(cfg["shard"]), may_be_empty=True)
        aligner = build(cfg["aligner"], Given(table=snakemake.input.table or None))
        align_clips(own, aligner, snakemake.threads, done)
