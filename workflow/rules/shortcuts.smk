# Counterfactual audit: scores of recordings whose suspected cues have changed sides.


rule score_cues_shard:
    """Score one shard of the recordings, if a split is cut into several."""
    input:
        unpack(PLAN.shortcuts.score_cues_shard.inputs),
    output:
        temp(LAYOUT.shard(LAYOUT.audited(OF_RUN), "{shard}")),
    log:
        f"{LOGS}/score_cues_shard/{{run}}/seed{{seed}}/{{corpus}}.{{split}}-{{shard}}.log",
    benchmark:
        LAYOUT.benchmark(
            "score_cues_shard", "{run}/seed{seed}/{corpus}.{split}-{shard}"
        )
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=growing(16000),
        runtime=480,
    params:
        cfg=PLAN.shortcuts.score_cues_shard.params,
    script:
        "../scripts/score_cues_shard.py"


rule score_cues:
    """Score recordings with a cue put on, or taken off, and with changes as large that are none."""
    input:
        unpack(PLAN.shortcuts.score_cues.inputs),
    output:
        LAYOUT.audited(OF_RUN),
    log:
        f"{LOGS}/score_cues/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    benchmark:
        LAYOUT.benchmark("score_cues", "{run}/seed{seed}/{corpus}.{split}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=gpu_unless_joined,
        mem_mb=growing(16000),
        runtime=480,
    params:
        cfg=PLAN.shortcuts.score_cues.params,
    script:
        "../scripts/score_cues.py"
