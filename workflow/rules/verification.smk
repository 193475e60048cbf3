# Source verification: were clips made by the same source as a few references?


rule list_source_trials:
    """Draw references and tests of the sources in a split."""
    input:
        unpack(PLAN.verification.list_source_trials.inputs),
    output:
        references=LAYOUT.source_references("{corpus}", "{split}"),
        tests=LAYOUT.source_tests("{corpus}", "{split}"),
    log:
        f"{LOGS}/list_source_trials/{{corpus}}.{{split}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=30,
    params:
        cfg=PLAN.verification.list_source_trials.params,
    script:
        "../scripts/list_source_trials.py"


rule verify_sources:
    """Score the trials of a corpus by a tracer's vectors, calibrated on those of dev."""
    input:
        unpack(PLAN.verification.verify_sources.inputs),
    output:
        scores=LAYOUT.verification(OF_TRACER._replace(split="eval"), "scores.tsv"),
        calibration=LAYOUT.verification(
            OF_TRACER._replace(split="eval"), "calibration.json"
        ),
    log:
        f"{LOGS}/verify_sources/{{tracer}}/seed{{seed}}/{{corpus}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=60,
    params:
        cfg=PLAN.verification.verify_sources.params,
    script:
        "../scripts/verify_sources.py"


rule verification_metrics:
    """Measure how well a tracer's vectors tell sources."""
    input:
        unpack(PLAN.verification.verification_metrics.inputs),
    output:
        LAYOUT.verification(OF_TRACER._replace(split="eval"), "metrics.tsv"),
    log:
        f"{LOGS}/verification_metrics/{{tracer}}/seed{{seed}}/{{corpus}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        cfg=PLAN.verification.verification_metrics.params,
    script:
        "../scripts/verification_metrics.py"
