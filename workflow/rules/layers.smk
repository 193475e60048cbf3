# What the detectors learned about the layers of their backbones.


rule layer_weights:
    """Read the learned mix of SSL layers out of a trained detector."""
    input:
        backbone=run_backbone,
        detector=detector_files,
    output:
        f"{R}/layers/{{run}}/seed{{seed}}.tsv",
    log:
        f"{LOGS}/layer_weights/{{run}}/seed{{seed}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_layer_weights,
    script:
        "../scripts/layer_weights.py"
