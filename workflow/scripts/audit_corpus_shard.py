"""Decode and measure the utterances of one shard."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    from spoofscope.corpora.audit import measure_manifest
    from spoofscope.corpora.copies import originals_of
    from spoofscope.shards.journal import part
    from spoofscope.shards.parts import parse_shard, shard_rows
    from spoofscope.tables import read_manifest

    rows = read_manifest(snakemake.input.manifest)
    with part(cfg["work"], given(), snakemake.output[0]) as done:
        own = shard_rows(rows, *parse_shard(cfg["shard"]), may_be_empty=True)
        measure_manifest(own, snakemake.threads, done)
        if snakemake.input.originals:
            sources = read_manifest(snakemake.input.originals)
            measure_manifest(originals_of(own, sources), snakemake.threads, done)
