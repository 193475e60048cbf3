"""Join the score shards of a split."""

from spoofscope.job import job

with job(snakemake) as cfg:
    from spoofscope.gathering import gather_scores

    gather_scores(
        snakemake.input.shards, snakemake.input.manifest, cfg["split"], snakemake.output[0]
    )
