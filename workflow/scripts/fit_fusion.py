"""Fit the weights of a fusion on the dev scores of its detectors."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.files import write_json
    from spoofscope.fusion import fit_on_trials
    from spoofscope.tables import read_manifest, read_scores

    settings = cfg["settings"]
    names = [f"{run}/seed{seed}" for run, seed in settings["members"]]
    trials = read_manifest(snakemake.input.manifest).filter(
        pl.col("split") == settings["fit"]["split"]
    )
    scores = {
        name: read_scores(path) for name, path in zip(names, snakemake.input.scores, strict=True)
    }
    model = fit_on_trials(scores, trials, settings["method"])
    write_json(snakemake.output[0], model.to_dict())
