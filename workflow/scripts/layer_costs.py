"""Measure parameters, latency and peak memory of SSL detectors, on one machine."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.identity import canonical_json
    from spoofscope.layers.costs import measure_costs
    from spoofscope.options.layers import CostOptions
    from spoofscope.tables import write_table

    # Detectors that differ in their training only cost the same.
    distinct = {canonical_json(entry["settings"]): entry["settings"] for entry in cfg["detectors"]}
    options = CostOptions.from_dict(cfg["options"])
    costs = measure_costs(list(distinct.values()), options, snakemake.threads)
    measured = dict(zip(distinct, costs, strict=True))
    rows = [
        {
            "run": entry["run"],
            "detector": entry["detector"],
            **measured[canonical_json(entry["settings"])],
        }
        for entry in cfg["detectors"]
    ]
    write_table(snakemake.output[0], pl.DataFrame(rows))
