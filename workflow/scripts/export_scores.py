"""Write the scores of one set in the submission format of ASVspoof 5."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.errors import DetectorError
    from spoofscope.score_formats import write_external_scores
    from spoofscope.selection.calibration import log_likelihood_ratios
    from spoofscope.settings import stored_calibration
    from spoofscope.tables import read_scores

    scores = read_scores(snakemake.input.scores)
    if snakemake.input.detector:
        calibration = stored_calibration(snakemake.input.detector)
        if calibration is None:
            raise DetectorError(
                f"{snakemake.input.detector}: the detector has no calibration; export its scores "
                "as they are (exports.calibrated: false)"
            )
        ratios = log_likelihood_ratios(scores["score"].to_numpy(), calibration)
        scores = scores.with_columns(score=pl.Series(ratios))
    write_external_scores(snakemake.output[0], scores, "asvspoof5")
