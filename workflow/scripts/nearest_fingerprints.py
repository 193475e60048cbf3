"""Name the nearest fingerprint of every clip, and count which sources are taken for which."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.detector import Detector
    from spoofscope.fingerprints.nearest import confusion, nearest_sources
    from spoofscope.tables import read_manifest, write_table

    rows = read_manifest(snakemake.input.manifest).filter(pl.col("split") == cfg["split"])
    named = nearest_sources(Detector.load(cfg["folder"]), rows)
    write_table(snakemake.output.clips, named)
    write_table(snakemake.output.confusion, confusion(named))
