"""Take a score file of others into the study."""

import logging

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.options.declared import filled
    from spoofscope.options.detectors import ScoreFile
    from spoofscope.score_formats import polarity_warning, read_external_scores
    from spoofscope.tables import read_manifest, write_scores

    entry = cfg["entry"]
    trials = read_manifest(snakemake.input.manifest).filter(pl.col("split") == entry["split"])
    scores = read_external_scores(
        snakemake.input.scores,
        entry["format"],
        higher=entry["higher"],
        columns=entry.get("columns"),
        trials=trials,
        ignore_others=filled(entry, ScoreFile)["ignore_others"],
    )
    warning = polarity_warning(scores, trials)
    if warning:
        logging.getLogger("spoofscope").warning("%s: %s", snakemake.input.scores, warning)
    write_scores(snakemake.output[0], scores)
