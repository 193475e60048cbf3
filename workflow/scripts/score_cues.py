"""Score recordings with a cue put on, or taken off, and with changes as large that are none."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    import polars as pl
    import torch

    from spoofscope.options.shortcuts import ShortcutOptions
    from spoofscope.selection.utterances import select_utterances
    from spoofscope.shards.journal import resumed
    from spoofscope.shortcuts.scores import audit_utterances, auditor_of
    from spoofscope.shortcuts.tables import write_audited
    from spoofscope.tables import read_manifest, read_scores

    torch.set_num_threads(snakemake.threads)
    parts = snakemake.input.parts
    # A job that joins parts has asked for no GPU.
    device = "cuda" if torch.cuda.is_available() and not parts else "cpu"
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
    with resumed(cfg["work"], [given(), device], parts) as done:
        audit_utterances(auditor, rows, done)
        write_audited(snakemake.output[0], rows["utt_id"].to_list(), done)
