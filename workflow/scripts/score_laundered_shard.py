"""Score one shard of the recordings that went through every chain of every change."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    import polars as pl
    import torch

    from spoofscope.options.robustness import RobustnessOptions
    from spoofscope.robustness.scores import launder_utterances, launderer_of
    from spoofscope.selection.utterances import select_utterances
    from spoofscope.shards.journal import part
    from spoofscope.shards.parts import parse_shard
    from spoofscope.tables import read_manifest, read_scores

    torch.set_num_threads(snakemake.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    options = RobustnessOptions.from_dict(cfg["options"])
    manifest = read_manifest(snakemake.input.manifest).filter(pl.col("split") == cfg["split"])
    scores = read_scores(snakemake.input.scores)
    rows = select_utterances(manifest, scores, options.per_attack, cfg["seed"], balanced=True)
    launderer = launderer_of(
        cfg["folder"],
        cfg["changes"],
        cfg["chains"],
        cfg["noise"],
        options,
        seed=cfg["seed"],
        device=device,
    )
    with part(cfg["work"], [given(), device], snakemake.output[0]) as done:
        launder_utterances(launderer, rows, done, shard=parse_shard(cfg["shard"]))
