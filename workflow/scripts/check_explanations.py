"""Means of the checks of explanations over utterances, with their intervals."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.attribution.checks import CHECKS, check_means
    from spoofscope.tables import read_manifest, read_table, write_table

    texts = dict.fromkeys(("utt_id", "label", "attack", "chosen_by"), pl.String())
    checks = dict.fromkeys((*CHECKS, *cfg["asked"]), pl.Float64())
    summary = read_table(snakemake.input.summary, texts, checks)
    means = check_means(
        summary,
        read_manifest(snakemake.input.manifest),
        resamples=cfg["resamples"],
        seed=cfg["bootstrap_seed"],
        cluster=cfg["cluster"],
        asked=cfg["asked"],
    )
    write_table(snakemake.output[0], means)
