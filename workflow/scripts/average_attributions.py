"""Mean Integrated Gradients of many windows of a split."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    import polars as pl
    import torch

    from spoofscope.attribution.average import average, write_averages
    from spoofscope.baselines import read_centroid
    from spoofscope.detector import Detector
    from spoofscope.options.attribution import AverageOptions
    from spoofscope.shards.journal import resumed
    from spoofscope.tables import read_manifest

    torch.set_num_threads(snakemake.threads)
    parts = snakemake.input.parts
    # A job that joins parts has asked for no GPU.
    device = "cuda" if torch.cuda.is_available() and not parts else "cpu"
    centroid = snakemake.input.centroid
    output = snakemake.output
    with resumed(cfg["work"], [given(), device], parts) as done:
        settings, means = average(
            Detector.load(cfg["folder"], device),
            read_manifest(snakemake.input.manifest).filter(pl.col("split") == cfg["split"]),
            AverageOptions.from_dict(cfg["options"]),
            centroid=read_centroid(centroid) if centroid else None,
            seed=cfg["seed"],
            done=done,
        )
        write_averages(settings, means, output.maps, output.bands, output.summary)
