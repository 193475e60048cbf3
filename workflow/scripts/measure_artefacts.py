"""Measure level, silence, bandwidth, pitch, spectrum and clicks of every utterance."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.artefacts.measures import measure_utterances, write_measures
    from spoofscope.tables import read_manifest

    manifest = read_manifest(snakemake.input.manifest)
    rows = manifest.filter(pl.col("split") == cfg["split"])
    write_measures(snakemake.output[0], measure_utterances(rows, workers=snakemake.threads))
