"""Fetch one archive of a corpus and check its checksum."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    from spoofscope.corpora.download import fetch
    from spoofscope.study.references import checksum_of

    archive = cfg["archive"]
    fetch(
        [archive["url"], *archive.get("mirrors", [])],
        checksum_of(archive),
        Path(snakemake.output[0]),
        archive.get("size"),
        name=archive.get("file"),
    )
