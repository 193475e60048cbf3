"""Make a corpus of human recordings and speech of synthesizers."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    from spoofscope.corpora.tts.generate import generate_corpus
    from spoofscope.tables import read_manifest

    generate_corpus(
        Path(snakemake.output.protocol).parent,
        cfg["options"],
        read_manifest(snakemake.input.human),
        cfg["seed"],
        key=cfg["corpus"],
        workers=snakemake.threads,
        read=cfg["read"],
    )
