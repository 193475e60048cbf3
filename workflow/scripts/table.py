"""Make a table by the function `make` of its module in `spoofscope.summaries`, and print it."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from importlib import import_module

    from spoofscope.summaries.printed import write_printed

    table = import_module(f"spoofscope.summaries.{cfg['name']}")
    paths = dict(snakemake.output.items())
    tables = {part: path for part, path in paths.items() if path.endswith(".tsv")}
    table.make(**cfg["given"], outputs=tables)
    for part, path in tables.items():
        write_printed(
            path,
            paths[f"{part}_tex"],
            paths[f"{part}_csv"],
            title=cfg["title"],
            caption=cfg["caption"],
            names=cfg["names"],
            **cfg["print"],
        )
