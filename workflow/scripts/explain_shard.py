"""Attribution by a method of the scores of one shard of the selected utterances."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    from pathlib import Path

    import polars as pl
    import torch

    from spoofscope.attribution.explain import explain_utterances
    from spoofscope.baselines import read_centroid, read_frames
    from spoofscope.detector import Detector
    from spoofscope.features import FeatureReader
    from spoofscope.options.attribution import ExplainOptions
    from spoofscope.selection.utterances import utterances_to_explain
    from spoofscope.shards.journal import part
    from spoofscope.shards.parts import parse_shard
    from spoofscope.tables import read_manifest, read_scores

    torch.set_num_threads(snakemake.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    options = ExplainOptions.from_dict(cfg["options"])
    manifest = read_manifest(snakemake.input.manifest).filter(pl.col("split") == cfg["split"])
    scores = read_scores(snakemake.input.scores)
    listed = snakemake.input.utterances or None
    rows = utterances_to_explain(manifest, scores, options, cfg["seed"], listed)
    centroid = snakemake.input.centroid
    shards = [path for path in snakemake.input.features or [] if Path(path).suffix != ".tsv"]
    with part(cfg["work"], [given(), device], snakemake.output[0]) as done:
        explain_utterances(
            Detector.load(cfg["folder"], device),
            rows,
            options,
            done,
            method=cfg["method"],
            features=FeatureReader(shards) if shards else None,
            shard=parse_shard(cfg["shard"]),
            centroid=read_centroid(centroid) if centroid else None,
            frames=read_frames(centroid) if centroid else None,
            seed=cfg["seed"],
        )
