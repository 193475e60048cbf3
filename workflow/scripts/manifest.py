"""One table per corpus: every utterance with its label, attack, split and conditions."""

from spoofscope.job import job, note

with job(snakemake) as cfg:
    import logging
    import os

    import polars as pl

    from spoofscope.corpora.counts import counts, unlike_published
    from spoofscope.corpora.manifest import inspect_corpus, write_problems
    from spoofscope.corpora.registry import build
    from spoofscope.corpora.splitting import as_warnings, uneven
    from spoofscope.recordings import digest, write_recordings
    from spoofscope.tables import SEGMENT_COLUMNS, write_manifest, write_segments

    # `options` are the generator's, the reader has none of them.
    settings = {key: value for key, value in cfg["settings"].items() if key != "options"}
    corpus = build(settings, cfg["root"], key=cfg["corpus"])
    times = "path" in settings
    manifest, problems, recordings = inspect_corpus(corpus, snakemake.threads, times)
    segments = corpus.segments()
    if segments is None:
        segments = pl.DataFrame(schema=SEGMENT_COLUMNS)
    else:
        segments = segments.filter(pl.col("utt_id").is_in(manifest["utt_id"].implode()))
    published = corpus.published_counts(), corpus.published_levels()
    numbers = counts(manifest, problems, *published, corpus.counted_by)
    warnings = [*unlike_published(list(numbers)), *as_warnings(uneven(manifest))]
    for warning in warnings:
        logging.getLogger("spoofscope").warning("corpus %s: %s", cfg["corpus"], warning)
    write_problems(snakemake.output.problems, problems)
    write_segments(snakemake.output.segments, segments)
    write_manifest(snakemake.output.manifest, manifest)
    write_recordings(snakemake.output.recordings, recordings)
    read = [entry for entry in recordings if entry.sha256 is not None]
    sha256 = digest((os.path.relpath(entry.path, cfg["root"]), entry.sha256) for entry in read)
    # The end of the run says the warnings again: among a thousand jobs nobody sees them here.
    note(
        recordings={"folder": cfg["root"], "files": len(read), "sha256": sha256},
        warnings=warnings,
    )
