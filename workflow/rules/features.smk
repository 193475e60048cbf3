# Backbones on disk, and the cached output of frozen front-ends.


rule backbone:
    """Put an SSL backbone on disk: from the model hub at a pinned revision, or a tiny random one."""
    output:
        model=LAYOUT.backbone_file("{backbone}", "model.safetensors"),
        config=LAYOUT.backbone_file("{backbone}", "config.json"),
        preprocessor=LAYOUT.backbone_file("{backbone}", "preprocessor_config.json"),
    log:
        f"{LOGS}/backbone/{{backbone}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.features.backbone.params,
    script:
        "../scripts/backbone.py"


rule extract_features:
    """Run a frozen front-end once over one shard of a split and keep its output."""
    input:
        unpack(PLAN.features.extract_features.inputs),
    output:
        values=LAYOUT.features(
            "{features}", "{corpus}", "{split}", "{shard}", "safetensors"
        ),
        index=LAYOUT.features("{features}", "{corpus}", "{split}", "{shard}", "tsv"),
    log:
        f"{LOGS}/extract_features/{{features}}/{{corpus}}.{{split}}-{{shard}}.log",
    benchmark:
        LAYOUT.benchmark("extract_features", "{features}/{corpus}.{split}-{shard}")
    # Before the trainings, which wait for it.
    priority: 15
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=growing(16000),
        runtime=240,
    params:
        cfg=PLAN.features.extract_features.params,
    script:
        "../scripts/extract_features.py"


if PLAN.features.store is not None:

    rule reuse_features:
        """Take one shard of a split from the store that studies share."""
        input:
            # A job of a cluster does what the run has planned.
            unpack(
                PLAN.features.stored
                if workflow.is_main_process
                else PLAN.features.extract_features.inputs
            ),
        output:
            values=LAYOUT.features(
                "{features}", "{corpus}", "{split}", "{shard}", "safetensors"
            ),
            index=LAYOUT.features("{features}", "{corpus}", "{split}", "{shard}", "tsv"),
        log:
            f"{LOGS}/reuse_features/{{features}}/{{corpus}}.{{split}}-{{shard}}.log",
        priority: 15
        conda:
            ENVIRONMENT
        threads: 1
        resources:
            mem_mb=growing(16000),
            runtime=240,
        # The same job: whichever rule made the features, the other finds them fresh.
        params:
            cfg=PLAN.features.extract_features.params,
        script:
            "../scripts/extract_features.py"

    ruleorder: reuse_features > extract_features
