# Scoring in shards, gathering, and error rates.


rule score:
    """Score one shard of a split with one detector; higher = more bona fide."""
    input:
        detector=detector_files,
        backbone=run_backbone,
        features=score_features,
        manifest=f"{R}/manifests/{{corpus}}.tsv",
    output:
        temp(
            f"{R}/scores/{{run}}/seed{{seed}}/shards/{{corpus}}.{{split}}-{{shard}}.tsv"
        ),
    log:
        f"{LOGS}/score/{{run}}/seed{{seed}}/{{corpus}}.{{split}}-{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/score/{{run}}/seed{{seed}}/{{corpus}}.{{split}}-{{shard}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=growing(16000),
        runtime=240,
    params:
        cfg=params_score,
    script:
        "../scripts/score.py"


rule gather_scores:
    """Join the shards of a split into one score file."""
    input:
        shards=score_shards,
        manifest=f"{R}/manifests/{{corpus}}.tsv",
    output:
        f"{R}/scores/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.tsv",
    log:
        f"{LOGS}/gather_scores/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    wildcard_constraints:
        run=one_of(STUDY.runs_of("detector", "adopted")),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_gather_scores,
    script:
        "../scripts/gather_scores.py"


rule compute_metrics:
    """EER, minDCF, actDCF, Cllr and AUC, pooled and per condition, with bootstrap intervals."""
    input:
        asv=asv_scores,
        detector=metrics_detector,
        manifest=f"{R}/manifests/{{corpus}}.tsv",
        scores=f"{R}/scores/{{system}}/seed{{seed}}/{{corpus}}.{{split}}.tsv",
    output:
        f"{R}/metrics/{{system}}/seed{{seed}}/{{corpus}}.{{split}}.tsv",
    log:
        f"{LOGS}/compute_metrics/{{system}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    params:
        cfg=params_compute_metrics,
    script:
        "../scripts/compute_metrics.py"
