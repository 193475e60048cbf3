"""Mean and standard deviation over time of every layer, for one shard of a split."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl
    import torch

    from spoofscope.features import FeatureReader
    from spoofscope.frontends.registry import build
    from spoofscope.layers.pooling import pool_shard
    from spoofscope.shards.parts import parse_shard, shard_rows
    from spoofscope.tables import read_manifest
    from spoofscope.windows import InputPolicy

    torch.set_num_threads(snakemake.threads)
    manifest = read_manifest(snakemake.input.manifest)
    rows = manifest.filter(pl.col("split") == cfg["split"])
    settings = cfg["settings"]
    features = snakemake.input.get("features")
    pool_shard(
        build(settings["frontend"]),
        InputPolicy.from_dict(settings["input"]),
        shard_rows(rows, *parse_shard(cfg["shard"])),
        snakemake.output.values,
        features=FeatureReader([features[0]]) if features else None,
        device="cuda" if torch.cuda.is_available() else "cpu",
    )
