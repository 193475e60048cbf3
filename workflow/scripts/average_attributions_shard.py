"""Integrated Gradients of one shard of the windows that are averaged."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    import polars as pl
    import torch

    from spoofscope.attribution.average import explain_chosen
    from spoofscope.baselines import read_centroid
    from spoofscope.detector import Detector
    from spoofscope.options.attribution import AverageOptions
    from spoofscope.shards.journal import part
    from spoofscope.shards.parts import parse_shard
    from spoofscope.tables import read_manifest

    torch.set_num_threads(snakemake.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    centroid = snakemake.input.centroid
    with part(cfg["work"], [given(), device], snakemake.output[0]) as done:
        explain_chosen(
            Detector.load(cfg["folder"], device),
            read_manifest(snakemake.input.manifest).filter(pl.col("split") == cfg["split"]),
            AverageOptions.from_dict(cfg["options"]),
            done,
            shard=parse_shard(cfg["shard"]),
            centroid=read_centroid(centroid) if centroid else None,
            seed=cfg["seed"],
        )
