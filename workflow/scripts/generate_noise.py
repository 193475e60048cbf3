"""Synthesise the mini study's noise or impulse responses in the layout of the real collections."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    import polars as pl

    from spoofscope.corpora.mini.noise import generate_musan, generate_rirs
    from spoofscope.files import sha256_file
    from spoofscope.tables import write_table

    folder = Path(cfg["folder"])
    {"musan": generate_musan, "rirs": generate_rirs}[cfg["kind"]](folder, cfg["seed"])
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listing = pl.DataFrame(
        {
            "file": [path.relative_to(folder).as_posix() for path in files],
            "sha256": [sha256_file(path) for path in files],
        }
    )
    write_table(snakemake.output[0], listing)
