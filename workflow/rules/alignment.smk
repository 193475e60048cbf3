# Where phones or characters, words and silences are in clips.


rule align_shard:
    """Align the clips of one shard, if a split is cut into several."""
    input:
        unpack(PLAN.alignment.align_shard.inputs),
    output:
        temp(
            LAYOUT.shard(
                LAYOUT.alignment("{aligner}", "{corpus}", "{split}"), "{shard}"
            )
        ),
    log:
        f"{LOGS}/align_shard/{{aligner}}/{{corpus}}.{{split}}-{{shard}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=480,
    params:
        cfg=PLAN.alignment.align_shard.params,
    script:
        "../scripts/align_shard.py"


rule align:
    """Find phones or characters, words and silences in the clips of a split."""
    input:
        unpack(PLAN.alignment.align.inputs),
    output:
        segments=LAYOUT.alignment("{aligner}", "{corpus}", "{split}"),
        clips=LAYOUT.aligned_clips("{aligner}", "{corpus}", "{split}"),
    log:
        f"{LOGS}/align/{{aligner}}/{{corpus}}.{{split}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=480,
    params:
        cfg=PLAN.alignment.align.params,
    script:
        "../scripts/align.py"
