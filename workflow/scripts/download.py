"""Fetch one archive of a corpus and check its checksum."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    from spoofscope.corpora.download import fetch, hold, release
    from spoofscope.study.references import checksum_of, transfer_of

    archive = cfg["archive"]
    # No parameter: another mirror makes no finished download stale.
    transfer = transfer_of(checksum_of(archive), snakemake.config["corpora"])
    fetch(
        [archive["url"], *transfer.get("mirrors", [])],
        checksum_of(archive),
        Path(snakemake.output[0]),
        transfer.get("size"),
        name=transfer.get("file"),
    )
    # Were it not recorded, Snakemake would delete it.
    hold(snakemake.output[0])
release(snakemake.output[0])
