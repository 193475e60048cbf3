"""Write the report page."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.report.page import Inputs, build_page

    build_page(snakemake.output[0], Inputs(**cfg["given"]))
