# Clips that one system gets right and another one wrong.


rule find_disagreements:
    """List and count the clips that one system judges right and another wrong; export some."""
    input:
        unpack(PLAN.disagreements.find_disagreements.inputs),
    output:
        clips=LAYOUT.disagreement("{disagreement}", "tsv"),
        counts=LAYOUT.disagreement("{disagreement}", "counts.tsv"),
    log:
        f"{LOGS}/find_disagreements/{{disagreement}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.disagreements.find_disagreements.params,
    script:
        "../scripts/find_disagreements.py"
