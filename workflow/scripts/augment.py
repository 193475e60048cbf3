"""Make an augmented copy of a corpus, with a manifest of its own."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    import polars as pl

    from spoofscope.augmentation.chain import Chain
    from spoofscope.augmentation.copies import make_copies
    from spoofscope.errors import CorpusError
    from spoofscope.files import sha256_file
    from spoofscope.identity import hash8
    from spoofscope.tables import (
        LABELS,
        read_manifest,
        read_segments,
        write_manifest,
        write_segments,
    )

    identity = cfg["identity"]
    sources = {kind: Path(folder) for kind, folder in cfg["noise"].items()}
    chain = Chain(identity["chain"]["steps"], sources, identity["sample_rate"])
    manifest = read_manifest(snakemake.input.manifest)
    rows = manifest.filter(pl.col("split").is_in(identity["splits"]))
    if rows.is_empty():
        raise CorpusError(
            f"augmented.{identity['copy']}: {snakemake.input.manifest} has no utterances in "
            f"{', '.join(identity['splits'])}"
        )
    # Copies of an earlier run are kept only if the same code made them from the same noise.
    noise = [sha256_file(listing) for listing in snakemake.input.noise]
    copies, segments = make_copies(
        rows,
        chain,
        Path(cfg["folder"]),
        identity["copy"],
        identity["seed"],
        workers=snakemake.threads,
        segments=read_segments(snakemake.input.segments),
        made_by=hash8([cfg["code"], cfg["noise"], noise]),
        classes=identity.get("classes", LABELS),
    )
    write_manifest(snakemake.output.manifest, copies)
    write_segments(snakemake.output.segments, segments)
