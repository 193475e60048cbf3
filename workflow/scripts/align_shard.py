"""Align the clips of one shard."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.alignment.align import align_clips, build, device_for
    from spoofscope.alignment.base import Given
    from spoofscope.shards.journal import part
    from spoofscope.shards.parts import parse_shard, shard_rows
    from spoofscope.tables import read_manifest

    rows = read_manifest(snakemake.input.manifest).filter(pl.col("split") == cfg["split"])
    backbone = cfg.get("backbone", {})
    files = Given(
        table=snakemake.input.table or None,
        clips=snakemake.input.clips or None,
        backbone=backbone,
        device=device_for(backbone),
    )
    with part(cfg["work"], [given(), files.device], snakemake.output[0]) as done:
        own = shard_rows(rows, *parse_shard(cfg["shard"]), may_be_empty=True)
        align_clips(own, build(cfg["aligner"], files), snakemake.threads, done)
