"""Attribution by a method of the scores of selected utterances."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    from pathlib import Path

    import polars as pl
    import torch

    from spoofscope.attribution.explain import explain
    from spoofscope.baselines import read_centroid, read_frames
    from spoofscope.detector import Detector
    from spoofscope.features import FeatureReader
    from spoofscope.options.attribution import ExplainOptions
    from spoofscope.selection.utterances import utterances_to_explain
    from spoofscope.shards.journal import resumed
    from spoofscope.tables import read_manifest, read_scores

    torch.set_num_threads(snakemake.threads)
    parts = snakemake.input.parts
    # A job that joins parts has asked for no GPU.
    device = "cuda" if torch.cuda.is_available() and not parts else "cpu"
    options = ExplainOptions.from_dict(cfg["options"])
    manifest = read_manifest(snakemake.input.manifest).filter(pl.col("split") == cfg["split"])
    scores = read_scores(snakemake.input.scores)
    listed = snakemake.input.utterances or None
    centroid = snakemake.input.centroid
    shards = [path for path in snakemake.input.features or [] if Path(path).suffix != ".tsv"]
    with resumed(cfg["work"], [given(), device], parts) as done:
        explain(
            Detector.load(cfg["folder"], device),
            utterances_to_explain(manifest, scores, options, cfg["seed"], listed),
            snakemake.output.attributions,
            snakemake.output.regions,
            snakemake.output.summary,
            options,
            method=cfg["method"],
            features=FeatureReader(shards) if shards else None,
            centroid=read_centroid(centroid) if centroid else None,
            frames=read_frames(centroid) if centroid else None,
            seed=cfg["seed"],
            done=done,
        )
