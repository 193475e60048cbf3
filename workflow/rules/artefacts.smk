# Signal measures per utterance, and how they relate to labels, scores and attribution.


rule measure_artefacts:
    """Measure level, silence, bandwidth, pitch, spectrum and clicks of every utterance."""
    input:
        manifest=f"{R}/manifests/{{corpus}}.tsv",
    output:
        f"{R}/artefacts/{{corpus}}.{{split}}.measures.tsv",
    log:
        f"{LOGS}/measure_artefacts/{{corpus}}.{{split}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=480,
    params:
        cfg=params_measure_artefacts,
    script:
        "../scripts/measure_artefacts.py"


rule rate_artefacts:
    """How well each measure alone separates bona fide from spoof, pooled and per system."""
    input:
        manifest=f"{R}/manifests/{{corpus}}.tsv",
        measures=f"{R}/artefacts/{{corpus}}.{{split}}.measures.tsv",
    output:
        f"{R}/artefacts/{{corpus}}.{{split}}.rates.tsv",
    log:
        f"{LOGS}/rate_artefacts/{{corpus}}.{{split}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_rate_artefacts,
    script:
        "../scripts/rate_artefacts.py"


rule correlate_artefacts:
    """Correlate measures with scores, and attribution with frame-level measures."""
    input:
        attributions=correlated_attributions,
        manifest=f"{R}/manifests/{{corpus}}.tsv",
        measures=f"{R}/artefacts/{{corpus}}.{{split}}.measures.tsv",
        scores=f"{R}/scores/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.tsv",
    output:
        f"{R}/artefacts/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.correlations.tsv",
    log:
        f"{LOGS}/correlate_artefacts/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_correlate_artefacts,
    script:
        "../scripts/correlate_artefacts.py"
