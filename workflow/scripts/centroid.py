"""Mean bona fide features of a detector's training data, and frames of it."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    import polars as pl
    import torch

    from spoofscope.baselines import bonafide_centroid, bonafide_frames, write_centroid
    from spoofscope.detector import Detector
    from spoofscope.features import FeatureReader
    from spoofscope.tables import read_manifest

    torch.set_num_threads(snakemake.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shards = [path for path in snakemake.input.get("features") or [] if Path(path).suffix != ".tsv"]
    rows = pl.concat(
        read_manifest(path)
        .filter(pl.col("split") == "train")
        .select("utt_id", "path", "label", "duration")
        for path in snakemake.input.manifests
    )
    detector = Detector.load(cfg["folder"], device)
    features = FeatureReader(shards) if shards else None
    centroid = bonafide_centroid(detector, rows, features)
    frames = bonafide_frames(detector, rows, features, seed=cfg["seed"]) if cfg["frames"] else None
    write_centroid(snakemake.output[0], centroid, frames)
