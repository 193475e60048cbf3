"""Fit and test one linear probe per layer of a backbone."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.layers.probes import probe_layers, read_trials
    from spoofscope.options.layers import ProbeOptions
    from spoofscope.tables import write_table

    sets = {
        purpose: [read_trials(**entry) for entry in entries]
        for purpose, entries in cfg["sets"].items()
    }
    table = probe_layers(
        cfg["probe"],
        sets["train"],
        sets["dev"],
        sets["test"],
        ProbeOptions.from_dict(cfg["options"]),
        seed=cfg["bootstrap_seed"],
        conditions=cfg["conditions"],
        resamples=cfg["resamples"],
        cluster=cfg["cluster"],
    )
    write_table(snakemake.output[0], table)
