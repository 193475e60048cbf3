"""Fit what tells unknown attacks, and what a decision needs, to a tracer."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    from spoofscope.tables import read_manifest
    from spoofscope.tracer import read_network
    from spoofscope.tracing.traces import clips_of_sources, families_of_attacks, fit_from

    paths = dict(zip(cfg["corpora"], snakemake.input.manifests, strict=True))
    manifests = {corpus: read_manifest(path) for corpus, path in paths.items()}
    families = {}
    for manifest in manifests.values():
        families |= families_of_attacks(manifest, cfg["families"])
    clips = {
        split: clips_of_sources(manifests, paths, sources, split, snakemake.input[split])
        for split, sources in cfg["sources"].items()
    }
    network = read_network(Path(cfg["folder"]))
    tracer = fit_from(
        network["classes"],
        clips["train"],
        clips["dev"],
        families,
        ood=cfg["ood"],
        decide_by=cfg["decide_by"],
        threshold=cfg["threshold_by"],
        accept_known=cfg["accept_known"],
        where=", ".join(paths.values()),
        name=cfg["name"],
    )
    tracer.write_into(Path(cfg["folder"]).parent, network["settings_sha256"])
