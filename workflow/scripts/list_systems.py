"""The attacks of a corpus as source tracing sees them."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.tables import read_manifest
    from spoofscope.tracing.systems import (
        read_label_assignment,
        renumbered,
        systems,
        write_label_assignment,
        write_systems,
    )

    table = systems(read_manifest(snakemake.input.manifest), cfg["families"])
    for path in snakemake.input.numbers:
        table = renumbered(table, read_label_assignment(path), path)
    write_systems(snakemake.output.systems, table)
    write_label_assignment(snakemake.output.assignment, table)
