"""List, count and export the clips that one system gets right and another one wrong."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    import polars as pl

    from spoofscope.disagreements import (
        ROLES,
        contingency,
        disagreements,
        drawn,
        export,
        judge,
        needed_threshold,
        threshold_at_eer,
    )
    from spoofscope.tables import read_manifest, read_scores, write_table

    def trials(manifest, split):
        return read_manifest(manifest).filter(pl.col("split") == split)

    def threshold(role):
        source = snakemake.input[f"{role}_threshold"]
        if cfg["threshold"] is None:
            return needed_threshold(source)
        chosen_on = trials(snakemake.input.manifests[-1], cfg["threshold"]["split"])
        return threshold_at_eer(read_scores(source), chosen_on, source)

    judged = judge(
        trials(snakemake.input.manifests[0], cfg["split"]),
        {role: read_scores(snakemake.input[role]) for role in ROLES},
        {role: threshold(role) for role in ROLES},
    )
    clips = disagreements(judged)
    chosen = drawn(clips, cfg["clips"], cfg["seed"], cfg["name"])
    table = export(clips, chosen, Path(cfg["folder"]), cfg["seconds"])
    write_table(snakemake.output.clips, table)
    write_table(snakemake.output.counts, contingency(judged, cfg["cluster"]))
