"""Score one shard of the masked utterances."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    import polars as pl
    import torch

    from spoofscope.masking.scores import mask_utterances, masker_of
    from spoofscope.masking.segments import segments_of
    from spoofscope.options.masking import MaskingOptions
    from spoofscope.selection.utterances import select_utterances
    from spoofscope.shards.journal import part
    from spoofscope.shards.parts import parse_shard
    from spoofscope.tables import read_manifest, read_scores

    torch.set_num_threads(snakemake.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    options = MaskingOptions.from_dict(cfg["options"])
    segments = segments_of(snakemake.input.segments, snakemake.input.artefacts)
    manifest = read_manifest(snakemake.input.manifest).filter(pl.col("split") == cfg["split"])
    scores = read_scores(snakemake.input.scores)
    rows = select_utterances(manifest, scores, options.per_attack, cfg["seed"], balanced=True)
    masker = masker_of(
        cfg["folder"],
        cfg["masks"],
        options,
        seed=cfg["seed"],
        centroid=snakemake.input.centroid or None,
        recogniser=cfg.get("recogniser"),
        device=device,
    )
    with part(cfg["work"], [given(), device], snakemake.output[0]) as done:
        mask_utterances(
            masker,
            rows,
            segments,
            done,
            shard=parse_shard(cfg["shard"]),
        )
