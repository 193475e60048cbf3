"""Fetch one archive of a corpus and check its checksum."""

from spoofscope.job import job
from spoofscope.provenance.sidecars import sidecar_path

# The job deletes it.
was_whole = sidecar_path(snakemake.output[0]).is_file()

with job(snakemake) as cfg:
    import logging
    from pathlib import Path

    from spoofscope.corpora.download import fetch, hold, is_there, release
    from spoofscope.study.references import checksum_of, transfer_of

    archive = cfg["archive"]
    if was_whole and not is_there(snakemake.output[0]):
        logging.getLogger("spoofscope").warning(
            "%s was whole, and is gone; it is fetched again. Unless somebody deleted it: Snakemake "
            "deletes what it makes again, also archives, with --no-hooks and in modules without "
            "onstart (docs/failures.md)",
            snakemake.output[0],
        )
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
