"""Unpack the archives of a corpus into one folder."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    from spoofscope.corpora.download import unpack_all
    from spoofscope.files import write_json

    folder = Path(snakemake.output[0]).with_suffix("")
    files = unpack_all([Path(archive) for archive in snakemake.input], folder)
    write_json(snakemake.output[0], {"archives": cfg["archives"], "files": files})
