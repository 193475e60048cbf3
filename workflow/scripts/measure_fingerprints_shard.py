"""Add the spectra of one shard of the clips."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    from spoofscope.fingerprints.means import add_clips, choose_clips
    from spoofscope.options.fingerprints import FingerprintOptions
    from spoofscope.shards.journal import part
    from spoofscope.shards.parts import parse_shard
    from spoofscope.tables import read_manifest

    options = FingerprintOptions.from_dict(cfg["options"])
    path = snakemake.input.manifest
    clips = choose_clips(read_manifest(path), options, cfg["seed"], path)
    with part(cfg["work"], given(), snakemake.output[0]) as done:
        add_clips(clips, options, done, parse_shard(cfg["shard"]))
