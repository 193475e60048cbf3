"""Draw the figure reliability."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.figures.reliability import draw
    from spoofscope.files import read_json

    # A fusion's scores are log-likelihood ratios already; of scores of others nothing is known.
    calibrations = dict.fromkeys(system["id"] for system in cfg["chosen"])
    for system, path in zip(cfg["with_folder"], snakemake.input.detectors, strict=True):
        calibrations[system] = read_json(path)["calibration"]
    draw(
        cfg["chosen"],
        calibrations,
        cfg["root"],
        dict(snakemake.output.items()),
        bins=cfg["bins"],
        prior=cfg["prior"],
    )
