# Clips that one system gets right and another one wrong.


rule find_disagreements:
    """List and count the clips that one system gets right and another wrong, and export some."""
    input:
        manifests=judged_manifests,
        right=judged_scores("right"),
        right_threshold=judged_threshold("right"),
        wrong=judged_scores("wrong"),
        wrong_threshold=judged_threshold("wrong"),
    output:
        clips=f"{R}/disagreements/{{disagreement}}.tsv",
        counts=f"{R}/disagreements/{{disagreement}}.counts.tsv",
    log:
        f"{LOGS}/find_disagreements/{{disagreement}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_find_disagreements,
    script:
        "../scripts/find_disagreements.py"
