"""Find phones or characters, words and silences in the clips of a split."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.alignment.align import align_clips, build, device_for, gathered
    from spoofscope.alignment.base import Given
    from spoofscope.shards.journal import resumed
    from spoofscope.tables import read_manifest, write_segments, write_table

    rows = read_manifest(snakemake.input.manifest).filter(pl.col("split") == cfg["split"])
    parts = snakemake.input.parts
    backbone = {} if parts else cfg.get("backbone", {})
    files = Given(
        table=snakemake.input.table or None,
        clips=snakemake.input.clips or None,
        backbone=backbone,
        device=device_for(backbone),
    )
    with resumed(cfg["work"], [given(), files.device], parts) as done:
        if not parts:
            align_clips(rows, build(cfg["aligner"], files), snakemake.threads, done)
        alignments = gathered(rows, done)
        write_segments(snakemake.output.segments, alignments.segments)
        write_table(snakemake.output.clips, alignments.clips)
