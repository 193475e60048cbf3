# Score fusion: fitted on dev, applied everywhere.


rule fit_fusion:
    """Fit the weights of a fusion on the dev scores of its detectors."""
    input:
        unpack(PLAN.scoring.fit_fusion.inputs),
    output:
        LAYOUT.fusion("{fusion}"),
    log:
        f"{LOGS}/fit_fusion/{{fusion}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.scoring.fit_fusion.params,
    script:
        "../scripts/fit_fusion.py"


rule apply_fusion:
    """Fuse the scores of one split."""
    input:
        unpack(PLAN.scoring.apply_fusion.inputs),
    output:
        LAYOUT.scores(Scoring("{fusion}", 0, "{corpus}", "{split}")),
    log:
        f"{LOGS}/apply_fusion/{{fusion}}/{{corpus}}.{{split}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.scoring.apply_fusion.params,
    script:
        "../scripts/apply_fusion.py"
