"""One table per corpus: every utterance with its label, system, split and conditions."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.corpora.manifest import build_manifest, write_problems
    from spoofscope.corpora.registry import build
    from spoofscope.tables import SEGMENT_COLUMNS, write_manifest, write_segments

    # `options` are the generator's, the reader has none of them.
    settings = {key: value for key, value in cfg["settings"].items() if key != "options"}
    corpus = build(settings, cfg["root"], key=cfg["corpus"])
    manifest, problems = build_manifest(corpus, workers=snakemake.threads)
    segments = corpus.segments()
    if segments is None:
        segments = pl.DataFrame(schema=SEGMENT_COLUMNS)
    else:
        segments = segments.filter(pl.col("utt_id").is_in(manifest["utt_id"].implode()))
    write_problems(snakemake.output.problems, problems)
    write_segments(snakemake.output.segments, segments)
    write_manifest(snakemake.output.manifest, manifest)
