# Score fusion: fitted on dev, applied everywhere.


rule fit_fusion:
    """Fit the weights of a fusion on the dev scores of its detectors."""
    input:
        manifest=fusion_fit_manifest,
        scores=fusion_fit_scores,
    output:
        f"{R}/fusion/{{fusion}}.json",
    log:
        f"{LOGS}/fit_fusion/{{fusion}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_fit_fusion,
    script:
        "../scripts/fit_fusion.py"


rule apply_fusion:
    """Fuse the scores of one split."""
    input:
        manifests=fusion_manifests,
        model=f"{R}/fusion/{{fusion}}.json",
        scores=fusion_scores,
    output:
        f"{R}/scores/{{fusion}}/seed0/{{corpus}}.{{split}}.tsv",
    log:
        f"{LOGS}/apply_fusion/{{fusion}}/{{corpus}}.{{split}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_apply_fusion,
    script:
        "../scripts/apply_fusion.py"
