"""Work out read-out vectors and logits of the clips of a split."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl
    import torch

    from spoofscope.features import FeatureReader
    from spoofscope.tables import read_manifest
    from spoofscope.tracing.embedding import embed_rows

    torch.set_num_threads(snakemake.threads)
    kept = snakemake.input.get("features", [])
    features = [path for path in kept if path.endswith(".safetensors")]
    embed_rows(
        cfg["folder"],
        read_manifest(snakemake.input.manifest).filter(pl.col("split") == cfg["split"]),
        snakemake.output[0],
        cfg["work"],
        features=FeatureReader(features) if features else None,
        device="cuda" if torch.cuda.is_available() else "cpu",
        code=cfg["code"],
    )
