"""Collect the sidecars of all results into a research object and a readable page."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    from spoofscope.provenance.crate import write_crate
    from spoofscope.provenance.page import write_page
    from spoofscope.provenance.sidecars import Sidecars

    sidecars = Sidecars().behind([str(path) for path in snakemake.input])
    snakefile = Path(snakemake.scriptdir).parents[1] / "Snakefile"
    write_crate(sidecars, cfg["config"], snakefile, snakemake.output.crate)
    write_page(sidecars, cfg["config"], snakemake.output.page)
