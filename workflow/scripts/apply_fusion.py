"""Fuse the scores of one split."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope.files import read_json
    from spoofscope.fusion import FusionModel, apply_to_trials
    from spoofscope.tables import read_manifest, read_scores, write_scores

    names = [f"{run}/seed{seed}" for run, seed in cfg["settings"]["members"]]
    scores = {
        name: read_scores(path) for name, path in zip(names, snakemake.input.scores, strict=True)
    }
    model = FusionModel.from_dict(read_json(snakemake.input.model))
    trials = read_manifest(snakemake.input.manifests[-1]).filter(pl.col("split") == cfg["split"])
    fitted_on = read_manifest(snakemake.input.manifests[0]).filter(
        pl.col("split") == cfg["settings"]["fit"]["split"]
    )
    write_scores(snakemake.output[0], apply_to_trials(model, scores, trials, fitted_on))
