"""Synthesise the mini corpus: talkers, attacks, planted cues."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    from spoofscope.corpora.mini.generate import generate_corpus

    generate_corpus(Path(snakemake.output.protocol).parent, cfg["options"], cfg["seed"])
