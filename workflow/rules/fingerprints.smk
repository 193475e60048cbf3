# Mean spectra of generators, whether they are stable, and what they sound like.


rule measure_fingerprints:
    """Average the spectra of every source, and compare the differences of disjoint halves."""
    input:
        manifest=f"{R}/manifests/{{corpus}}.tsv",
    output:
        fingerprints=f"{R}/fingerprints/{{corpus}}.safetensors",
        clips=f"{R}/fingerprints/{{corpus}}.clips.tsv",
        stability=f"{R}/fingerprints/{{corpus}}.stability.tsv",
    log:
        f"{LOGS}/measure_fingerprints/{{corpus}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=240,
    params:
        cfg=params_measure_fingerprints,
    script:
        "../scripts/measure_fingerprints.py"


rule fingerprint_audio:
    """Make the fingerprints audible: noise with the mean spectrum of a source, or its difference."""
    input:
        fingerprints=f"{R}/fingerprints/{{corpus}}.safetensors",
    output:
        f"{R}/fingerprints/{{corpus}}.sounds.tsv",
    log:
        f"{LOGS}/fingerprint_audio/{{corpus}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_fingerprint_audio,
    script:
        "../scripts/fingerprint_audio.py"


rule nearest_fingerprints:
    """Name the nearest fingerprint of every clip, and count which sources are taken for which."""
    input:
        detector=detector_files,
        manifest=f"{R}/manifests/{{corpus}}.tsv",
    output:
        clips=f"{R}/fingerprints/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.nearest.tsv",
        confusion=f"{R}/fingerprints/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.confusion.tsv",
    log:
        f"{LOGS}/nearest_fingerprints/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=240,
    params:
        cfg=params_nearest_fingerprints,
    script:
        "../scripts/nearest_fingerprints.py"
