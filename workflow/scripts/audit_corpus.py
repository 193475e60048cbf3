"""Counts, duplicates, speaker leakage, and how far trivial cues alone separate the classes."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    from spoofscope.corpora.audit import audit
    from spoofscope.corpora.manifest import read_problems
    from spoofscope.corpora.registry import build
    from spoofscope.report.audit_page import write_audit
    from spoofscope.shards.journal import resumed
    from spoofscope.tables import LABELS, read_manifest

    settings = {key: value for key, value in cfg["settings"].items() if key != "options"}
    corpus = build(settings, cfg["root"], key=cfg["corpus"])
    manifest = read_manifest(snakemake.input.manifest)
    # An augmented copy has originals, and leaves nothing out.
    problems = read_problems(snakemake.input.problems) if snakemake.input.problems else []
    copied = snakemake.input.originals
    originals = read_manifest(copied) if copied else None
    with resumed(cfg["work"], given(), snakemake.input.parts) as done:
        result = audit(
            manifest,
            problems,
            None if copied else corpus.published_counts(),
            corpus.planted_cues(),
            workers=snakemake.threads,
            done=done,
            published_levels=None if copied else corpus.published_levels(),
            counted_by=corpus.counted_by,
            originals=originals,
            classes=cfg.get("classes", LABELS),
        )
        write_audit(
            result,
            manifest,
            snakemake.output.table,
            snakemake.output.page,
            cfg["corpus"],
            originals,
        )
