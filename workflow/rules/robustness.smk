# Robustness: scores of recordings that were laundered.


rule score_laundered_shard:
    """Score one shard of the recordings, if a split is cut into several."""
    input:
        unpack(PLAN.robustness.score_laundered_shard.inputs),
    output:
        temp(LAYOUT.shard(LAYOUT.laundered(OF_RUN), "{shard}")),
    log:
        f"{LOGS}/score_laundered_shard/{{run}}/seed{{seed}}/{{corpus}}.{{split}}-{{shard}}.log",
    benchmark:
        LAYOUT.benchmark(
            "score_laundered_shard", "{run}/seed{seed}/{corpus}.{split}-{shard}"
        )
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=growing(16000),
        runtime=480,
    params:
        cfg=PLAN.robustness.score_laundered_shard.params,
    script:
        "../scripts/score_laundered_shard.py"


rule score_laundered:
    """Score recordings under every change, at every severity."""
    input:
        unpack(PLAN.robustness.score_laundered.inputs),
    output:
        LAYOUT.laundered(OF_RUN),
    log:
        f"{LOGS}/score_laundered/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    benchmark:
        LAYOUT.benchmark("score_laundered", "{run}/seed{seed}/{corpus}.{split}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=gpu_unless_joined,
        mem_mb=growing(16000),
        runtime=480,
    params:
        cfg=PLAN.robustness.score_laundered.params,
    script:
        "../scripts/score_laundered.py"
