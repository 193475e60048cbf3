"""Draw references and tests of the sources in a split."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.corpora.registry import build
    from spoofscope.tables import read_manifest
    from spoofscope.tracing.systems import systems
    from spoofscope.tracing.trials import listed_trials, make_trials, write_source_trials

    manifest = read_manifest(snakemake.input.manifest)
    given = manifest, systems(manifest, cfg["families"]), cfg["split"]
    drawn = {name: cfg[name] for name in ("levels", "targets", "nontargets", "seed")}
    if "lists" in cfg:
        corpus = cfg["corpus"]
        reader = build(corpus["entry"], corpus["root"], key=corpus["key"])
        trials = listed_trials(*given, reader.source_lists(cfg["lists"]["name"]), **drawn)
    else:
        trials = make_trials(*given, enrol=cfg.get("enrol"), references=cfg["references"], **drawn)
    write_source_trials(snakemake.output.references, snakemake.output.tests, trials)
