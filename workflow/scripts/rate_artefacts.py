"""How well each measure alone separates bona fide from spoof."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.artefacts.correlations import separation
    from spoofscope.artefacts.measures import read_measures
    from spoofscope.tables import read_manifest, write_table

    manifest = read_manifest(snakemake.input.manifest)
    trials = manifest.filter(pl.col("split") == cfg["split"])
    table = separation(
        read_measures(snakemake.input.measures),
        trials,
        cfg["conditions"],
        resamples=cfg["resamples"],
        seed=cfg["bootstrap_seed"],
        cluster=cfg["cluster"],
    )
    write_table(snakemake.output[0], table)
