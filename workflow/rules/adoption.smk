# Detectors that were trained elsewhere, and scores of those that others keep to themselves.


rule adopt:
    """Take a detector folder from elsewhere into the study, checked and unchanged."""
    input:
        unpack(PLAN.training.adopt.inputs),
    output:
        model=LAYOUT.detector_file("{adopted}", 0, "model.safetensors"),
        detector=LAYOUT.detector_file("{adopted}", 0, "detector.json"),
    log:
        f"{LOGS}/adopt/{{adopted}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.training.adopt.params,
    script:
        "../scripts/adopt.py"


rule import_scores:
    """Take a score file of others into the study: one finite score for every trial of the split."""
    input:
        unpack(PLAN.scoring.import_scores.inputs),
    output:
        LAYOUT.scores(Scoring("{foreign}", 0, "{corpus}", "{split}")),
    log:
        f"{LOGS}/import_scores/{{foreign}}/{{corpus}}.{{split}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.scoring.import_scores.params,
    script:
        "../scripts/import_scores.py"
