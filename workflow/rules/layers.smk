# What the detectors learned about the layers of their backbones.


def params_layer_weights(wildcards):
    settings = STUDY.run(wildcards.run).settings
    return with_code(
        "layer_weights",
        component_modules(settings),
        run=wildcards.run,
        detector=STUDY.run(wildcards.run).detector,
        seed=int(wildcards.seed),
        folder=detector_folder(wildcards.run, wildcards.seed),
    )


rule layer_weights:
    input:
        backbone=run_backbone,
        detector=detector_files,
    output:
        f"{R}/layers/{{run}}/seed{{seed}}.tsv",
    log:
        f"{LOGS}/layer_weights/{{run}}/seed{{seed}}.log",
    """Read the learned mix of SSL layers out of a trained detector."""
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_layer_weights,
    script:
        "../scripts/layer_weights.py"
