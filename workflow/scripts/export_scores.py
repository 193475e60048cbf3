"""Write the scores of one set in the submission format of ASVspoof 5."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.errors import DetectorError
    from spoofscope.files import read_json
    from spoofscope.score_formats import write_foreign_scores
    from spoofscope.tables import read_scores

    scores = read_scores(snakemake.input.scores)
    if snakemake.input.detector:
        calibration = read_json(snakemake.input.detector)["calibration"]
        if calibration is None:
            raise DetectorError(
                f"{snakemake.input.detector}: the detector has no calibration; export its scores "
                "as they are (exports.calibrated: false)"
            )
        scores = scores.with_columns(pl.col("score") * calibration["scale"] + calibration["offset"])
    write_foreign_scores(snakemake.output[0], scores, "asvspoof5")
