# Detectors that were trained elsewhere, and scores of those that others keep to themselves.


rule adopt:
    """Take a detector folder from elsewhere into the study, checked and unchanged."""
    input:
        detector=adopted_file("detector.json"),
        model=adopted_file("model.safetensors"),
    output:
        model=f"{R}/detectors/{{adopted}}/seed0/model.safetensors",
        detector=f"{R}/detectors/{{adopted}}/seed0/detector.json",
    log:
        f"{LOGS}/adopt/{{adopted}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_adopt,
    script:
        "../scripts/adopt.py"


rule import_scores:
    """Take a score file of others into the study: one finite score for every trial of the split."""
    input:
        manifest=f"{R}/manifests/{{corpus}}.tsv",
        scores=foreign_file,
    output:
        f"{R}/scores/{{foreign}}/seed0/{{corpus}}.{{split}}.tsv",
    log:
        f"{LOGS}/import_scores/{{foreign}}/{{corpus}}.{{split}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_import_scores,
    script:
        "../scripts/import_scores.py"
