# Signal measures per utterance, and how they relate to labels, scores and attribution.


rule measure_artefacts_shard:
    """Measure the utterances of one shard, if a split is cut into several."""
    input:
        unpack(PLAN.artefacts.measure_artefacts_shard.inputs),
    output:
        temp(LAYOUT.shard(LAYOUT.measures("{corpus}", "{split}"), "{shard}")),
    log:
        f"{LOGS}/measure_artefacts_shard/{{corpus}}.{{split}}-{{shard}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=480,
    params:
        cfg=PLAN.artefacts.measure_artefacts_shard.params,
    script:
        "../scripts/measure_artefacts_shard.py"


rule measure_artefacts:
    """Measure level, silence, bandwidth, pitch, spectrum, clicks and room of every utterance."""
    input:
        unpack(PLAN.artefacts.measure_artefacts.inputs),
    output:
        LAYOUT.measures("{corpus}", "{split}"),
    log:
        f"{LOGS}/measure_artefacts/{{corpus}}.{{split}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=480,
    params:
        cfg=PLAN.artefacts.measure_artefacts.params,
    script:
        "../scripts/measure_artefacts.py"


rule rate_artefacts:
    """Rate how well each measure alone separates bona fide from spoof, pooled and per condition."""
    input:
        unpack(PLAN.artefacts.rate_artefacts.inputs),
    output:
        LAYOUT.artefact_rates("{corpus}", "{split}"),
    log:
        f"{LOGS}/rate_artefacts/{{corpus}}.{{split}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.artefacts.rate_artefacts.params,
    script:
        "../scripts/rate_artefacts.py"


rule correlate_artefacts:
    """Correlate measures with scores, and attribution with frame-level measures."""
    input:
        unpack(PLAN.artefacts.correlate_artefacts.inputs),
    output:
        LAYOUT.correlations(OF_RUN),
    log:
        f"{LOGS}/correlate_artefacts/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=240,
    params:
        cfg=PLAN.artefacts.correlate_artefacts.params,
    script:
        "../scripts/correlate_artefacts.py"
