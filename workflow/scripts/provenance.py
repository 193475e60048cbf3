"""Collect the sidecars of all results into a research object and a readable page."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    from spoofscope.provenance import read_sidecars, write_crate, write_page

    sidecars = read_sidecars([str(path) for path in snakemake.input])
    snakefile = Path(snakemake.scriptdir).parents[1] / "Snakefile"
    write_crate(sidecars, cfg["config"], snakefile, snakemake.output.crate)
    write_page(sidecars, cfg["config"], snakemake.output.page)
