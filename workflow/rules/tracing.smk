# Source tracing: which attack made a spoof.


rule list_systems:
    """List the attacks of a corpus: known or unknown, their numbers, families and counts."""
    input:
        unpack(PLAN.tracing.list_systems.inputs),
    output:
        systems=LAYOUT.systems("{corpus}"),
        assignment=LAYOUT.label_assignment("{corpus}"),
    log:
        f"{LOGS}/list_systems/{{corpus}}.log",
    wildcard_constraints:
        corpus=one_of(STUDY.corpora),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=growing(4000),
        runtime=30,
    params:
        cfg=PLAN.tracing.list_systems.params,
    script:
        "../scripts/list_systems.py"
