"""Score the trials of a corpus by a tracer's vectors, calibrated on those of dev."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from pathlib import Path

    from spoofscope.files import write_json
    from spoofscope.tables import read_manifest
    from spoofscope.tracer import read_network
    from spoofscope.tracing.outputs import read_outputs
    from spoofscope.tracing.systems import systems
    from spoofscope.tracing.trials import known_sources, read_source_trials
    from spoofscope.tracing.verification import unit_vectors, verify, write_scored_trials

    manifest = read_manifest(snakemake.input.manifest)
    others = snakemake.input.get("others", [])
    manifests = [manifest, *(read_manifest(path) for path in others)]
    # Corpora of real speech alone have no attacks.
    tables = [systems(each, cfg["families"]) for each in manifests if "spoof" in each["label"]]
    network = read_network(Path(cfg["network"]))
    scored, calibrations = verify(
        read_source_trials(*snakemake.input.dev),
        read_source_trials(*snakemake.input.eval),
        unit_vectors(read_outputs(path) for path in snakemake.input.outputs),
        known_sources(tables, network["classes"]),
        dict(manifest.select("utt_id", "attack").iter_rows()),
        cfg["prior"],
    )
    write_scored_trials(snakemake.output.scores, scored)
    identity = network["settings_sha256"][:12]
    write_json(
        snakemake.output.calibration,
        {level: {**fitted, "network": identity} for level, fitted in calibrations.items()},
    )
