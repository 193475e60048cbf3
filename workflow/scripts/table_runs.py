"""Which run id stands for which settings."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.identity import canonical_json
    from spoofscope.tables import write_table

    rows = [
        {
            "run": run["run"],
            "detector": run["detector"],
            "seeds": " ".join(map(str, run["seeds"])),
            "source": run["source"],
            # Of scores of others nothing more is known.
            "frontend": run["settings"].get("frontend", {"type": "-"})["type"],
            "backend": run["settings"].get("backend", {"type": "-"})["type"],
            "settings": canonical_json(run["settings"]),
        }
        for run in cfg["runs"]
    ]
    write_table(snakemake.output[0], pl.DataFrame(rows))
