"""Collect the sidecars of all results into a research object and a readable page."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    import yaml

    from spoofscope.files import write_text
    from spoofscope.provenance.crate import crate_metadata, write_crate
    from spoofscope.provenance.page import write_page
    from spoofscope.provenance.sidecars import Sidecars

    sidecars = Sidecars().behind([str(path) for path in snakemake.input])
    workflow, study = snakemake.output.workflow, snakemake.output.study
    snakefile = Path(snakemake.scriptdir).resolve().parents[1] / "Snakefile"
    write_text(workflow, snakefile.read_text(encoding="utf-8"))
    write_text(study, cfg["study"])
    config = yaml.safe_load(cfg["study"])
    metadata = crate_metadata(sidecars, config, cfg["root"], workflow, study)
    write_crate(metadata, snakemake.output.crate)
    write_page(sidecars, config, cfg["root"], snakemake.output.page)
