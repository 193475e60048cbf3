# Detectors that were trained elsewhere, and scores of those that others keep to themselves.


rule copy_pretrained:
    """Take a detector folder from elsewhere into the study, checked and unchanged."""
    input:
        unpack(PLAN.training.copy_pretrained.inputs),
    output:
        model=LAYOUT.detector_file("{pretrained}", 0, "model.safetensors"),
        detector=LAYOUT.detector_file("{pretrained}", 0, "detector.json"),
    log:
        f"{LOGS}/copy_pretrained/{{pretrained}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.training.copy_pretrained.params,
    script:
        "../scripts/copy_pretrained.py"


rule import_scores:
    """Take an external score file into the study: one finite score per trial of the split."""
    input:
        unpack(PLAN.scoring.import_scores.inputs),
    output:
        LAYOUT.scores(Scoring("{external_scores}", 0, "{corpus}", "{split}")),
    log:
        f"{LOGS}/import_scores/{{external_scores}}/{{corpus}}.{{split}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.scoring.import_scores.params,
    script:
        "../scripts/import_scores.py"
