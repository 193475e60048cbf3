"""Error rates, costs and their intervals of one score file."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.metrics.tables import evaluate
    from spoofscope.metrics.tdcf import tandem_from
    from spoofscope.settings import stored_calibration, stored_threshold
    from spoofscope.tables import join_scores, read_manifest, read_scores, write_table

    manifest = read_manifest(snakemake.input.manifest)
    trials = manifest.filter(pl.col("split") == cfg["split"])
    joined = join_scores(
        read_scores(snakemake.input.scores),
        trials,
        scores_name=snakemake.input.scores,
        trials_name=f"{snakemake.input.manifest} ({cfg['split']})",
    )
    calibration = threshold = None
    if snakemake.input.detector:
        calibration = stored_calibration(snakemake.input.detector)
        threshold = stored_threshold(snakemake.input.detector)
    tandem = None
    if cfg["tandem"] is not None:
        tandem = tandem_from(cfg["tandem"], snakemake.input.asv or None)
    # Corpora differ in the conditions that they know.
    conditions = [
        condition
        for condition in cfg["conditions"]
        if set(condition.split("+")) <= set(joined.columns)
    ]
    table = evaluate(
        joined,
        conditions,
        cfg["resamples"],
        cfg["bootstrap_seed"],
        cfg["cluster"],
        threshold,
        calibration,
        tandem,
    )
    table = table.select(
        pl.lit(cfg["system"]).alias("system"),
        pl.lit(cfg["seed"]).alias("seed"),
        pl.lit(cfg["corpus"]).alias("corpus"),
        pl.lit(cfg["split"]).alias("split"),
        pl.all(),
    )
    write_table(snakemake.output[0], table)
