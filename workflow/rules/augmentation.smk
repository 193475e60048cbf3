# Noise and impulse responses, and offline augmented copies of corpora.


rule generate_noise:
    """Synthesise the mini study's noise or impulse responses in MUSAN's or RIRS_NOISES' layout."""
    output:
        LAYOUT.generated_noise_list("{noise}"),
    log:
        f"{LOGS}/generate_noise/{{noise}}.log",
    wildcard_constraints:
        noise="[0-9a-f]{8}/(musan|rirs)",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=growing(4000),
        runtime=120,
    params:
        cfg=PLAN.augmentation.generate_noise.params,
    script:
        "../scripts/generate_noise.py"


rule list_noise:
    """List the recordings of a folder of noise or room responses, with their hashes."""
    input:
        unpack(PLAN.augmentation.list_noise.inputs),
    output:
        table=LAYOUT.noise("{kind}"),
        recordings=LAYOUT.recordings("noise.{kind}"),
    log:
        f"{LOGS}/list_noise/{{kind}}.log",
    wildcard_constraints:
        kind="musan|rirs",
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=120,
    params:
        cfg=PLAN.augmentation.list_noise.params,
    script:
        "../scripts/list_noise.py"


rule augment:
    """Make an augmented copy of a corpus, with its own manifest."""
    input:
        unpack(PLAN.augmentation.augment.inputs),
    output:
        manifest=LAYOUT.manifest("{augmented}"),
        segments=LAYOUT.segments("{augmented}"),
    log:
        f"{LOGS}/augment/{{augmented}}.log",
    wildcard_constraints:
        augmented=one_of(STUDY.copies),
    # Trainings wait for it, and it waits for two free cores: before them, not after them.
    priority: 20
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=growing(8000),
        runtime=720,
    params:
        cfg=PLAN.augmentation.augment.params,
    script:
        "../scripts/augment.py"
