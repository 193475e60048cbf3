"""Write the report page."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.report.page import Inputs, build_page

    build_page(dict(snakemake.output.items()), Inputs(**cfg["given"]))
