"""Make the fingerprints audible."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.fingerprints.means import read_fingerprints
    from spoofscope.fingerprints.sound import write_sounds
    from spoofscope.tables import write_table

    fingerprints = read_fingerprints(snakemake.input.fingerprints)
    table = write_sounds(fingerprints, cfg["folder"], cfg["seconds"], cfg["seed"])
    write_table(snakemake.output[0], table)
