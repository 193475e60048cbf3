# Scoring in shards, gathering, and error rates.


rule score:
    """Score one shard of a split with one detector; higher = more bona fide."""
    input:
        unpack(PLAN.scoring.score.inputs),
    output:
        temp(LAYOUT.score_shard(OF_RUN, "{shard}")),
    log:
        f"{LOGS}/score/{{run}}/seed{{seed}}/{{corpus}}.{{split}}-{{shard}}.log",
    benchmark:
        LAYOUT.benchmark("score", "{run}/seed{seed}/{corpus}.{split}-{shard}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=growing(16000),
        runtime=240,
    params:
        cfg=PLAN.scoring.score.params,
    script:
        "../scripts/score.py"


rule gather_scores:
    """Join the shards of a split into one score file."""
    input:
        unpack(PLAN.scoring.gather_scores.inputs),
    output:
        LAYOUT.scores(OF_RUN),
    log:
        f"{LOGS}/gather_scores/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    wildcard_constraints:
        run=one_of(STUDY.runs_of("detector", "pretrained")),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.scoring.gather_scores.params,
    script:
        "../scripts/gather_scores.py"


rule compute_metrics:
    """Compute EER, minDCF, actDCF, Cllr and AUC, pooled and per condition, with intervals."""
    input:
        unpack(PLAN.scoring.compute_metrics.inputs),
    output:
        LAYOUT.metrics(OF_SYSTEM),
    log:
        f"{LOGS}/compute_metrics/{{system}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    params:
        cfg=PLAN.scoring.compute_metrics.params,
    script:
        "../scripts/compute_metrics.py"
