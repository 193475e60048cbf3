"""Measure level, silence, bandwidth, pitch, spectrum, clicks and room of every utterance."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.artefacts.measures import measure_utterances, write_measures
    from spoofscope.shards.journal import resumed
    from spoofscope.tables import read_manifest

    rows = read_manifest(snakemake.input.manifest).filter(pl.col("split") == cfg["split"])
    with resumed(cfg["work"], given(), snakemake.input.parts) as done:
        measures = measure_utterances(
            rows, snakemake.threads, done, as_published=cfg["published_measures"]
        )
        write_measures(snakemake.output[0], measures)
