# Where phones or characters, words and silences are in clips.


rule recogniser:
    """Put a recogniser on disk: from the model hub at a pinned revision, or a tiny random one."""
    output:
        model=LAYOUT.backbone_file("{recogniser}", "model.safetensors"),
        config=LAYOUT.backbone_file("{recogniser}", "config.json"),
        preprocessor=LAYOUT.backbone_file("{recogniser}", "preprocessor_config.json"),
        vocabulary=LAYOUT.backbone_file("{recogniser}", "vocab.json"),
    log:
        f"{LOGS}/recogniser/{{recogniser}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.alignment.recogniser.params,
    script:
        "../scripts/recogniser.py"


rule read_textgrids:
    """List the intervals of all TextGrids in a folder."""
    output:
        table=LAYOUT.textgrids("{textgrids}"),
        recordings=LAYOUT.recordings("aligner.{textgrids}"),
    log:
        f"{LOGS}/read_textgrids/{{textgrids}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=120,
    params:
        cfg=PLAN.alignment.read_textgrids.params,
    script:
        "../scripts/read_textgrids.py"


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
        # A recogniser is run on a GPU.
        gpu=lambda wildcards, input: LOCAL_GPU if input.backbone else 0,
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
        # Joining what other jobs made needs none.
        gpu=lambda w, input: LOCAL_GPU if input.backbone and not input.parts else 0,
        mem_mb=growing(8000),
        runtime=480,
    params:
        cfg=PLAN.alignment.align.params,
    script:
        "../scripts/align.py"
