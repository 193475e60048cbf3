"""List the recordings of a folder of noise or room responses, with the hashes of their contents."""

from spoofscope.job import job, note

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.augmentation.sources import list_recordings
    from spoofscope.recordings import digest, write_recordings
    from spoofscope.tables import write_table

    recordings = list_recordings(cfg["folder"], cfg["kind"], workers=snakemake.threads)
    rows = {name: recording.sha256 for name, recording in recordings.items()}
    write_recordings(snakemake.output.recordings, list(recordings.values()))
    write_table(
        snakemake.output.table, pl.DataFrame({"file": list(rows), "sha256": list(rows.values())})
    )
    note(recordings={"folder": cfg["folder"], "files": len(rows), "sha256": digest(rows.items())})
