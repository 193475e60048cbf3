"""Run a frozen front-end once over one shard of a split and keep its output."""

from spoofscope.job import from_store, job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.shards.parts import parse_shard, shard_rows
    from spoofscope.tables import read_manifest

    manifest = read_manifest(snakemake.input.manifest)
    rows = manifest.filter(pl.col("split") == cfg["split"])
    rows = shard_rows(rows, *parse_shard(cfg["shard"]))
    settings = cfg["settings"]

    def make() -> None:
        """Write values and index."""
        import torch

        from spoofscope.features import extract
        from spoofscope.frontends.registry import build
        from spoofscope.windows import InputPolicy

        torch.set_num_threads(snakemake.threads)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        extract(
            build(settings["frontend"]).to(device),
            InputPolicy.from_dict(settings["input"]),
            rows,
            snakemake.output.values,
            device=device,
        )

    recordings = list(rows.select("utt_id", "path", "sha256").iter_rows())
    from_store(snakemake, settings, recordings, make)
