# Backbones on disk, and the cached output of frozen front-ends.


rule backbone:
    """Put an SSL backbone on disk: from the model hub at a pinned revision, or a tiny random one."""
    output:
        model=f"{STUDY.data_root}/backbones/{{backbone}}/model.safetensors",
        config=f"{STUDY.data_root}/backbones/{{backbone}}/config.json",
        preprocessor=f"{STUDY.data_root}/backbones/{{backbone}}/preprocessor_config.json",
    log:
        f"{LOGS}/backbone/{{backbone}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_backbone,
    script:
        "../scripts/backbone.py"


rule extract_features:
    """Run a frozen front-end once over one shard of a split and keep its output."""
    input:
        backbone=features_backbone,
        manifest=f"{R}/manifests/{{corpus}}.tsv",
    output:
        values=f"{R}/features/{{features}}/{{corpus}}/{{split}}-{{shard}}.safetensors",
        index=f"{R}/features/{{features}}/{{corpus}}/{{split}}-{{shard}}.tsv",
    log:
        f"{LOGS}/extract_features/{{features}}/{{corpus}}.{{split}}-{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/extract_features/{{features}}/{{corpus}}.{{split}}-{{shard}}.tsv"
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
        cfg=params_extract_features,
    script:
        "../scripts/extract_features.py"
