# Mean spectra of generators, whether they are stable, and what they sound like.


rule measure_fingerprints_shard:
    """Add the spectra of one shard of the clips, if splits are cut into several."""
    input:
        unpack(PLAN.fingerprints.measure_fingerprints_shard.inputs),
    output:
        temp(LAYOUT.shard(LAYOUT.fingerprints("{corpus}", "safetensors"), "{shard}")),
    log:
        f"{LOGS}/measure_fingerprints_shard/{{corpus}}-{{shard}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=240,
    params:
        cfg=PLAN.fingerprints.measure_fingerprints_shard.params,
    script:
        "../scripts/measure_fingerprints_shard.py"


rule measure_fingerprints:
    """Average the spectra of every source, and compare the differences of disjoint halves."""
    input:
        unpack(PLAN.fingerprints.measure_fingerprints.inputs),
    output:
        fingerprints=LAYOUT.fingerprints("{corpus}", "safetensors"),
        clips=LAYOUT.fingerprints("{corpus}", "clips.tsv"),
        stability=LAYOUT.fingerprints("{corpus}", "stability.tsv"),
    log:
        f"{LOGS}/measure_fingerprints/{{corpus}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=240,
    params:
        cfg=PLAN.fingerprints.measure_fingerprints.params,
    script:
        "../scripts/measure_fingerprints.py"


rule fingerprint_audio:
    """Make the fingerprints audible: noise with the mean spectrum of a source, or its difference."""
    input:
        unpack(PLAN.fingerprints.fingerprint_audio.inputs),
    output:
        LAYOUT.fingerprints("{corpus}", "sounds.tsv"),
    log:
        f"{LOGS}/fingerprint_audio/{{corpus}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.fingerprints.fingerprint_audio.params,
    script:
        "../scripts/fingerprint_audio.py"


rule nearest_fingerprints:
    """Name the nearest fingerprint of every clip, and count the confusions of sources."""
    input:
        unpack(PLAN.fingerprints.nearest_fingerprints.inputs),
    output:
        clips=LAYOUT.nearest_fingerprints(OF_RUN, "nearest"),
        confusion=LAYOUT.nearest_fingerprints(OF_RUN, "confusion"),
    log:
        f"{LOGS}/nearest_fingerprints/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=240,
    params:
        cfg=PLAN.fingerprints.nearest_fingerprints.params,
    script:
        "../scripts/nearest_fingerprints.py"
