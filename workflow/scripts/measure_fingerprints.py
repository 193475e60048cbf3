"""Average the spectra of every source, and compare the differences of disjoint halves."""

from spoofscope.job import given, job

with job(snakemake) as cfg:
    from spoofscope.fingerprints.means import choose_clips, gather, write_fingerprints
    from spoofscope.fingerprints.stability import compare_halves
    from spoofscope.options.fingerprints import FingerprintOptions
    from spoofscope.shards.journal import resumed
    from spoofscope.tables import read_manifest, write_table

    options = FingerprintOptions.from_dict(cfg["options"])
    path = snakemake.input.manifest
    clips = choose_clips(read_manifest(path), options, cfg["seed"], path)
    with resumed(cfg["work"], given(), snakemake.input.parts) as done:
        fingerprints, bands = gather(clips, options, done)
        stability = compare_halves(
            clips, bands, halves=cfg["halves"], permutations=cfg["permutations"], seed=cfg["seed"]
        )
        write_fingerprints(snakemake.output.fingerprints, fingerprints)
        write_table(snakemake.output.clips, clips)
        write_table(snakemake.output.stability, stability)
