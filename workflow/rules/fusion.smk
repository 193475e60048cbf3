# Score fusion: fitted on dev, applied everywhere.


def fusion_fit_scores(wildcards):
    name = FUSIONS[wildcards.fusion]
    fit = STUDY.config["fusion"][name]["fit"]
    return [
        f"{R}/scores/{run}/seed{seed}/{fit['corpus']}.{fit['split']}.tsv"
        for run, seed in STUDY.fusion_members(name)
    ]


def fusion_fit_manifest(wildcards):
    fit = STUDY.config["fusion"][FUSIONS[wildcards.fusion]]["fit"]
    return f"{R}/manifests/{fit['corpus']}.tsv"


def fusion_scores(wildcards):
    return [
        f"{R}/scores/{run}/seed{seed}/{wildcards.corpus}.{wildcards.split}.tsv"
        for run, seed in STUDY.fusion_members(FUSIONS[wildcards.fusion])
    ]


def params_fit_fusion(wildcards):
    name = FUSIONS[wildcards.fusion]
    return with_code("fit_fusion", settings=STUDY.fusion_settings(name))


def params_apply_fusion(wildcards):
    name = FUSIONS[wildcards.fusion]
    return with_code("apply_fusion", settings=STUDY.fusion_settings(name))


rule fit_fusion:
    input:
        manifest=fusion_fit_manifest,
        scores=fusion_fit_scores,
    output:
        f"{R}/fusion/{{fusion}}.json",
    log:
        f"{LOGS}/fit_fusion/{{fusion}}.log",
    """Fit the weights of a fusion on the dev scores of its detectors."""
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_fit_fusion,
    script:
        "../scripts/fit_fusion.py"


rule apply_fusion:
    input:
        model=f"{R}/fusion/{{fusion}}.json",
        scores=fusion_scores,
    output:
        f"{R}/scores/{{fusion}}/seed0/{{corpus}}.{{split}}.tsv",
    log:
        f"{LOGS}/apply_fusion/{{fusion}}/{{corpus}}.{{split}}.log",
    """Fuse the scores of one split."""
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_apply_fusion,
    script:
        "../scripts/apply_fusion.py"
