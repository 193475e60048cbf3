"""Fetch one archive of a corpus and check its SHA-256."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    from spoofscope.corpora.download import fetch

    fetch(cfg["archive"]["url"], cfg["archive"]["sha256"], Path(snakemake.output[0]))
