# Scores in a form to hand in.


rule export_scores:
    """Write scores in the submission format of ASVspoof 5."""
    input:
        unpack(PLAN.comparisons.export_scores.inputs),
    output:
        LAYOUT.export(OF_SYSTEM),
    log:
        f"{LOGS}/export_scores/{{system}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.comparisons.export_scores.params,
    script:
        "../scripts/export_scores.py"
