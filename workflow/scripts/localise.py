"""How well attribution finds the segments that are known to be artefacts."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.attribution.localisation import localise, summarise
    from spoofscope.attribution.store import Attributions
    from spoofscope.tables import read_manifest, read_segments, write_table

    manifest = read_manifest(snakemake.input.manifest)
    table = localise(
        Attributions(snakemake.input.attributions),
        read_segments(snakemake.input.segments),
        dict(manifest.select("utt_id", "duration").iter_rows()),
    )
    write_table(snakemake.output.utterances, table)
    summary = summarise(
        table,
        manifest,
        resamples=cfg["resamples"],
        seed=cfg["bootstrap_seed"],
        cluster=cfg["cluster"],
    )
    write_table(snakemake.output.summary, summary)
