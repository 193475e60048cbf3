# Scores in a form to hand in.


rule export_scores:
    """Write scores in the submission format of ASVspoof 5."""
    input:
        detector=export_detector,
        scores=f"{R}/scores/{{system}}/seed{{seed}}/{{corpus}}.{{split}}.tsv",
    output:
        f"{R}/exports/{{system}}/seed{{seed}}/{{corpus}}.{{split}}.tsv",
    log:
        f"{LOGS}/export_scores/{{system}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_export_scores,
    script:
        "../scripts/export_scores.py"
