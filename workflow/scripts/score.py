"""Score one shard of a split with one detector."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl
    import torch

    from spoofscope.features import FeatureReader
    from spoofscope.scoring import score_shard
    from spoofscope.shards.parts import parse_shard, shard_rows
    from spoofscope.tables import read_manifest

    torch.set_num_threads(snakemake.threads)
    manifest = read_manifest(snakemake.input.manifest)
    rows = manifest.filter(pl.col("split") == cfg["split"])
    features = snakemake.input.get("features")
    score_shard(
        cfg["folder"],
        shard_rows(rows, *parse_shard(cfg["shard"])),
        snakemake.output[0],
        cfg["work"],
        features=FeatureReader([features[0]]) if features else None,
        device="cuda" if torch.cuda.is_available() else "cpu",
        code=cfg["code"],
    )
