"""Draw the figure reliability."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.reliability import draw
    from spoofscope.settings import stored_calibration

    # Of scores of others nothing is known.
    calibrations = dict.fromkeys(system["id"] for system in cfg["chosen"])
    for system, path in zip(cfg["with_calibration"], snakemake.input.detectors, strict=True):
        calibrations[system] = stored_calibration(path)
    draw(
        cfg["chosen"],
        calibrations,
        cfg["root"],
        dict(snakemake.output.items()),
        bins=cfg["bins"],
        prior=cfg["prior"],
        resamples=cfg["resamples"],
        bootstrap_seed=cfg["bootstrap_seed"],
        cluster=cfg["cluster"],
    )
