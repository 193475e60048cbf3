# Noise and impulse responses, offline augmented copies of corpora, and audits of both.


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


rule audit_corpus_shard:
    """Decode and measure the utterances of one shard, if splits are cut into several."""
    input:
        unpack(PLAN.augmentation.audit_corpus_shard.inputs),
    output:
        temp(LAYOUT.shard(LAYOUT.audit("{corpus}", "tsv"), "{shard}")),
    log:
        f"{LOGS}/audit_corpus_shard/{{corpus}}-{{shard}}.log",
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=growing(8000),
        runtime=240,
    params:
        cfg=PLAN.augmentation.audit_corpus_shard.params,
    script:
        "../scripts/audit_corpus_shard.py"


rule audit_corpus:
    """Check counts, duplicates, speaker leakage, and the class separation of trivial cues."""
    input:
        unpack(PLAN.augmentation.audit_corpus.inputs),
    output:
        table=LAYOUT.audit("{corpus}", "tsv"),
        page=report(
            LAYOUT.audit("{corpus}", "html"),
            caption="../report/audit.rst",
            category="Audits",
            labels={"corpus": "{corpus}"},
        ),
    log:
        f"{LOGS}/audit_corpus/{{corpus}}.log",
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=growing(8000),
        runtime=240,
    params:
        cfg=PLAN.augmentation.audit_corpus.params,
    script:
        "../scripts/audit_corpus.py"
