"""Score one shard of the recordings whose cues have changed sides."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    import polars as pl
    import torch

    from spoofscope.options.shortcuts import ShortcutOptions
    from spoofscope.selection.utterances import select_utterances
    from spoofscope.shards.journal import part
    from spoofscope.shards.parts import parse_shard
    from spoofscope.shortcuts.scores import audit_utterances, auditor_of
    from spoofscope.tables import read_manifest, read_scores

    torch.set_num_threads(snakemake.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    options = ShortcutOptions.from_dict(cfg["options"])
    manifest = read_manifest(snakemake.input.manifest).filter(pl.col("split") == cfg["split"])
    scores = read_scores(snakemake.input.scores)
    rows = select_utterances(manifest, scores, options.per_attack, cfg["seed"], balanced=True)
    auditor = auditor_of(
        cfg["folder"],
        cfg["cues"],
        cfg["chains"],
        cfg["noise"],
        options,
        seed=cfg["seed"],
        device=device,
    )
    with part(cfg["work"], [given(), device], snakemake.output[0]) as done:
        audit_utterances(auditor, rows, done, shard=parse_shard(cfg["shard"]))
