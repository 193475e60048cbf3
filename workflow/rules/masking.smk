# Causal masking: scores of recordings from which something was taken out.


rule score_masked_shard:
    """Score one shard of the masked utterances, if a split is cut into several."""
    input:
        unpack(PLAN.masking.score_masked_shard.inputs),
    output:
        temp(LAYOUT.shard(LAYOUT.masked(OF_RUN), "{shard}")),
    log:
        f"{LOGS}/score_masked_shard/{{run}}/seed{{seed}}/{{corpus}}.{{split}}-{{shard}}.log",
    benchmark:
        LAYOUT.benchmark(
            "score_masked_shard", "{run}/seed{seed}/{corpus}.{split}-{shard}"
        )
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=growing(16000),
        runtime=480,
    params:
        cfg=PLAN.masking.score_masked_shard.params,
    script:
        "../scripts/score_masked_shard.py"


rule score_masked:
    """Score utterances under every mask, at every strength, and under random masks as large."""
    input:
        unpack(PLAN.masking.score_masked.inputs),
    output:
        LAYOUT.masked(OF_RUN),
    log:
        f"{LOGS}/score_masked/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    benchmark:
        LAYOUT.benchmark("score_masked", "{run}/seed{seed}/{corpus}.{split}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=gpu_unless_joined,
        mem_mb=growing(16000),
        runtime=480,
    params:
        cfg=PLAN.masking.score_masked.params,
    script:
        "../scripts/score_masked.py"
