"""How well attribution finds the segments that are known to be artefacts."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.attribution.localisation import localise, summarise
    from spoofscope.attribution.store import Attributions
    from spoofscope.tables import read_segments, write_table

    table = localise(
        Attributions(snakemake.input.attributions), read_segments(snakemake.input.segments)
    )
    write_table(snakemake.output.utterances, table)
    write_table(snakemake.output.summary, summarise(table, cfg["seed"]))
