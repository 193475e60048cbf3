"""Write the report page."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.report.page import build_page

    build_page(
        cfg["config"],
        cfg["systems"],
        cfg["runs"],
        cfg["figures"],
        cfg["grids"],
        snakemake.input.attributions,
        snakemake.input.localisation,
        snakemake.input.artefacts,
        cfg["root"],
        snakemake.output[0],
        cfg["disagreements"],
        cfg["fingerprints"],
        snakemake.input.averages,
        cfg["dev"],
        cfg["cluster"],
    )
