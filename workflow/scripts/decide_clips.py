"""Decide of every clip of a split: bona fide, made by a known attack, or by an unknown one."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.errors import DetectorError
    from spoofscope.settings import stored_threshold
    from spoofscope.tables import join_scores, read_manifest, read_scores, write_table
    from spoofscope.tracing.decisions import decision_measures, decisions
    from spoofscope.tracing.fitted import FittedTracer
    from spoofscope.tracing.traces import in_order

    threshold = stored_threshold(snakemake.input.detector)
    if threshold is None:
        raise DetectorError(
            f"{snakemake.input.detector} has no threshold from development data, so it cannot say "
            "what is bona fide; name a detector that this study trains in `tracing.bonafide_by`"
        )
    manifest = read_manifest(snakemake.input.manifest)
    clips = join_scores(
        read_scores(snakemake.input.scores),
        manifest.filter(pl.col("split") == cfg["split"]),
        scores_name=snakemake.input.scores,
        trials_name=f"{snakemake.input.manifest} ({cfg['split']})",
    )
    tracer = FittedTracer.load(cfg["folder"])
    outputs = in_order(clips["utt_id"].to_list(), [snakemake.input.outputs])
    table = decisions(tracer, clips, outputs, threshold)
    write_table(snakemake.output.decisions, table)
    measured = decision_measures(
        table,
        clips,
        tracer.classes,
        unit=cfg["unit"],
        resamples=cfg["resamples"],
        seed=cfg["seed"],
    )
    write_table(snakemake.output.metrics, measured)
