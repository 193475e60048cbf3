"""Make a table: the function `make` of its module in `spoofscope.summaries`."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from importlib import import_module

    table = import_module(f"spoofscope.summaries.{cfg['name']}")
    table.make(**cfg["given"], outputs=dict(snakemake.output.items()))
