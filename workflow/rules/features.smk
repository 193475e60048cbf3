# Backbones on disk, and the cached output of frozen front-ends.


BACKBONES = {
    STUDY.backbone_id(name): {"seed": STUDY.seed, **entry}
    for name, entry in STUDY.config.get("backbones", {}).items()
    if "folder" not in entry
}


def backbone_files(frontend):
    """The files that a front-end's backbone is loaded from."""
    if "backbone" not in frontend:
        return []
    folder = frontend["backbone"]["folder"]
    return [f"{folder}/config.json", f"{folder}/model.safetensors"]


def run_backbone(wildcards):
    return backbone_files(STUDY.run(wildcards.run).settings["frontend"])


def features_backbone(wildcards):
    return backbone_files(STUDY.features(wildcards.features)["frontend"])


def params_backbone(wildcards):
    return with_code("backbone", entry=BACKBONES[wildcards.backbone])


def params_extract_features(wildcards):
    settings = STUDY.features(wildcards.features)
    return with_code(
        "extract_features",
        component_modules(settings),
        settings=settings,
        shard=wildcards.shard,
        split=wildcards.split,
    )


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
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=8000,
        runtime=240,
    params:
        cfg=params_extract_features,
    script:
        "../scripts/extract_features.py"
