"""List the intervals of all TextGrids in a folder."""

from spoofscope.job import job, note

with job(snakemake) as cfg:
    from spoofscope.recordings import digest, write_recordings
    from spoofscope.tables import write_table
    from spoofscope.textgrids import list_textgrids

    table, read = list_textgrids(cfg["folder"])
    write_recordings(snakemake.output.recordings, list(read.values()))
    write_table(snakemake.output.table, table)
    hashes = [(name, entry.sha256) for name, entry in read.items()]
    note(recordings={"folder": cfg["folder"], "files": len(read), "sha256": digest(hashes)})
