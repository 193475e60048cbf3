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


rule audit_tracing:
    """Look for shared texts, and for known attacks and families where they mislead."""
    input:
        unpack(PLAN.tracing.audit_tracing.inputs),
    output:
        table=LAYOUT.tracing_audit("{corpus}", "tsv"),
        page=report(
            LAYOUT.tracing_audit("{corpus}", "html"),
            caption="../report/audit_tracing.rst",
            category="Audits",
            labels={"corpus": "{corpus}, source tracing"},
        ),
    log:
        f"{LOGS}/audit_tracing/{{corpus}}.log",
    wildcard_constraints:
        corpus=one_of(STUDY.corpora),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.tracing.audit_tracing.params,
    script:
        "../scripts/audit_tracing.py"


rule train_tracer:
    """Train the network of one tracer with one seed; resumes where a killed training stopped."""
    input:
        unpack(PLAN.tracing.train_tracer.inputs),
    output:
        network=LAYOUT.tracer_file("{tracer}", "{seed}", "network/network.json"),
        model=LAYOUT.tracer_file("{tracer}", "{seed}", "network/model.safetensors"),
        history=LAYOUT.tracer_file("{tracer}", "{seed}", "network/history.tsv"),
    log:
        f"{LOGS}/train_tracer/{{tracer}}/seed{{seed}}.log",
    benchmark:
        LAYOUT.benchmark("train_tracer", "{tracer}/seed{seed}")
    priority: 10
    conda:
        ENVIRONMENT
    threads: lambda wildcards: PLAN.training.processes(wildcards.tracer)
    resources:
        gpu=lambda wildcards: LOCAL_GPU * PLAN.training.processes(wildcards.tracer),
        nodes=1,
        mem_mb=growing(32000),
        runtime=1440,
    params:
        cfg=PLAN.tracing.train_tracer.params,
    script:
        "../scripts/train_tracer.py"


rule embed_clips:
    """Work out read-out vectors and logits of the clips of a split."""
    input:
        unpack(PLAN.tracing.embed_clips.inputs),
    output:
        LAYOUT.tracer_outputs(OF_TRACER),
    log:
        f"{LOGS}/embed_clips/{{tracer}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    benchmark:
        LAYOUT.benchmark("embed_clips", "{tracer}/seed{seed}/{corpus}.{split}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=growing(16000),
        runtime=480,
    params:
        cfg=PLAN.tracing.embed_clips.params,
    script:
        "../scripts/embed_clips.py"


rule fit_tracer:
    """Fit what tells unknown attacks, and what a decision needs, to a tracer."""
    input:
        unpack(PLAN.tracing.fit_tracer.inputs),
    output:
        tracer=LAYOUT.tracer_file("{tracer}", "{seed}", "tracer.json"),
        reference=LAYOUT.tracer_file("{tracer}", "{seed}", "reference.safetensors"),
    log:
        f"{LOGS}/fit_tracer/{{tracer}}/seed{{seed}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=60,
    params:
        cfg=PLAN.tracing.fit_tracer.params,
    script:
        "../scripts/fit_tracer.py"


rule trace_clips:
    """Say of every clip of a split which attack made it, or that it is an unknown one."""
    input:
        unpack(PLAN.tracing.trace_clips.inputs),
    output:
        LAYOUT.traces(OF_TRACER),
    log:
        f"{LOGS}/trace_clips/{{tracer}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=60,
    params:
        cfg=PLAN.tracing.trace_clips.params,
    script:
        "../scripts/trace_clips.py"


rule tracing_metrics:
    """Measure how well a tracer names attacks and tells unknown ones."""
    input:
        unpack(PLAN.tracing.tracing_metrics.inputs),
    output:
        LAYOUT.tracing_metrics(OF_TRACER),
    log:
        f"{LOGS}/tracing_metrics/{{tracer}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=60,
    params:
        cfg=PLAN.tracing.tracing_metrics.params,
    script:
        "../scripts/tracing_metrics.py"


rule decide_clips:
    """Decide of every clip of a split: bona fide, a known attack, or an unknown one."""
    input:
        unpack(PLAN.tracing.decide_clips.inputs),
    output:
        decisions=LAYOUT.decisions(OF_TRACER),
        metrics=LAYOUT.decision_metrics(OF_TRACER),
    log:
        f"{LOGS}/decide_clips/{{tracer}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=60,
    params:
        cfg=PLAN.tracing.decide_clips.params,
    script:
        "../scripts/decide_clips.py"
