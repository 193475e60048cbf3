"""Put explained clips into a folder for annotators."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.attribution.store import Attributions
    from spoofscope.labelling.collect import collect, read_reasons
    from spoofscope.settings import stored_threshold
    from spoofscope.tables import read_manifest

    detectors = [
        {
            "name": name,
            "run": run,
            "seed": seed,
            "threshold": stored_threshold(threshold),
            "attributions": Attributions(attributions),
            "reasons": read_reasons(summary),
        }
        for (name, run, seed), attributions, summary, threshold in zip(
            cfg["detectors"],
            snakemake.input.attributions,
            snakemake.input.summaries,
            snakemake.input.thresholds,
            strict=True,
        )
    ]
    collect(
        cfg["folder"],
        cfg["about"],
        read_manifest(snakemake.input.manifest),
        detectors,
        cfg["clips"],
        cfg["seed"],
    )
