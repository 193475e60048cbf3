"""Measure the utterances of one shard."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.artefacts.measures import measure_utterances
    from spoofscope.shards.journal import part
    from spoofscope.shards.parts import parse_shard, shard_rows
    from spoofscope.tables import read_manifest

    rows = read_manifest(snakemake.input.manifest).filter(pl.col("split") == cfg["split"])
    with part(cfg["work"], given(), snakemake.output[0]) as done:
        own = shard_rows(rows, *parse_shard(cfg["shard"]), may_be_empty=True)
        measure_utterances(own, snakemake.threads, done, as_published=cfg["published_measures"])
