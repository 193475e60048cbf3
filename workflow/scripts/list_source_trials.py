"""Draw references and tests of the sources in a split."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.tables import read_manifest
    from spoofscope.tracing.systems import systems
    from spoofscope.tracing.trials import make_trials, write_source_trials

    manifest = read_manifest(snakemake.input.manifest)
    trials = make_trials(
        manifest,
        systems(manifest, cfg["families"]),
        cfg["split"],
        levels=cfg["levels"],
        enrol=cfg.get("enrol"),
        references=cfg["references"],
        targets=cfg["targets"],
        nontargets=cfg["nontargets"],
        seed=cfg["seed"],
    )
    write_source_trials(snakemake.output.references, snakemake.output.tests, trials)
