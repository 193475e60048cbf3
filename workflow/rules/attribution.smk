# Attribution by several methods: baseline, maps, localisation against known segments.


rule centroid:
    """Average the bona fide features of the training data: the baseline of attribution."""
    input:
        unpack(PLAN.attribution.centroid.inputs),
    output:
        LAYOUT.attributions("{run}", "{seed}", "centroid.safetensors"),
    log:
        f"{LOGS}/centroid/{{run}}/seed{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=growing(16000),
        runtime=120,
    params:
        cfg=PLAN.attribution.centroid.params,
    script:
        "../scripts/centroid.py"


rule explain_shard:
    """Attribute the scores of one shard of the clips, if a split is cut into several."""
    input:
        unpack(PLAN.attribution.explain_shard.inputs),
    output:
        temp(
            LAYOUT.shard(
                LAYOUT.attributions("{run}", "{seed}", "{explained}.safetensors"),
                "{shard}",
            )
        ),
    log:
        f"{LOGS}/explain_shard/{{run}}/seed{{seed}}/{{explained}}-{{shard}}.log",
    benchmark:
        LAYOUT.benchmark("explain_shard", "{run}/seed{seed}/{explained}-{shard}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=growing(32000),
        runtime=480,
    params:
        cfg=PLAN.attribution.explain_shard.params,
    script:
        "../scripts/explain_shard.py"


rule explain:
    """Attribute the scores by a method, with the completeness error of each clip."""
    input:
        unpack(PLAN.attribution.explain.inputs),
    output:
        attributions=LAYOUT.attributions("{run}", "{seed}", "{explained}.safetensors"),
        regions=LAYOUT.attributions("{run}", "{seed}", "{explained}.regions.tsv"),
        summary=LAYOUT.attributions("{run}", "{seed}", "{explained}.summary.tsv"),
    log:
        f"{LOGS}/explain/{{run}}/seed{{seed}}/{{explained}}.log",
    benchmark:
        LAYOUT.benchmark("explain", "{run}/seed{seed}/{explained}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=gpu_unless_joined,
        mem_mb=growing(32000),
        runtime=480,
    params:
        cfg=PLAN.attribution.explain.params,
    script:
        "../scripts/explain.py"


rule localise:
    """Measure how well attribution finds the segments of known artefacts."""
    input:
        unpack(PLAN.attribution.localise.inputs),
    output:
        summary=LAYOUT.attributions("{run}", "{seed}", "{explained}.localisation.tsv"),
        utterances=LAYOUT.attributions(
            "{run}", "{seed}", "{explained}.localisation.utterances.tsv"
        ),
    log:
        f"{LOGS}/localise/{{run}}/seed{{seed}}/{{explained}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.attribution.localise.params,
    script:
        "../scripts/localise.py"


rule check_explanations:
    """Measure how faithful the explanations are: means over clips, with their intervals."""
    input:
        unpack(PLAN.attribution.check_explanations.inputs),
    output:
        LAYOUT.attributions("{run}", "{seed}", "{explained}.checks.tsv"),
    log:
        f"{LOGS}/check_explanations/{{run}}/seed{{seed}}/{{explained}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.attribution.check_explanations.params,
    script:
        "../scripts/check_explanations.py"


rule average_attributions_shard:
    """Compute Integrated Gradients of one shard of the windows, if a split is cut into several."""
    input:
        unpack(PLAN.attribution.average_attributions_shard.inputs),
    output:
        temp(
            LAYOUT.shard(
                LAYOUT.attributions(
                    "{run}", "{seed}", "{corpus}.{split}.mean.safetensors"
                ),
                "{shard}",
            )
        ),
    log:
        f"{LOGS}/average_attributions_shard/{{run}}/seed{{seed}}/{{corpus}}.{{split}}-{{shard}}.log",
    benchmark:
        LAYOUT.benchmark(
            "average_attributions_shard", "{run}/seed{seed}/{corpus}.{split}-{shard}"
        )
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=growing(16000),
        runtime=480,
    params:
        cfg=PLAN.attribution.average_attributions_shard.params,
    script:
        "../scripts/average_attributions_shard.py"


rule average_attributions:
    """Average Integrated Gradients of many windows, by frequency and time, per class and attack."""
    input:
        unpack(PLAN.attribution.average_attributions.inputs),
    output:
        maps=LAYOUT.attributions("{run}", "{seed}", "{corpus}.{split}.mean.safetensors"),
        bands=LAYOUT.attributions("{run}", "{seed}", "{corpus}.{split}.mean.bands.tsv"),
        summary=LAYOUT.attributions(
            "{run}", "{seed}", "{corpus}.{split}.mean.summary.tsv"
        ),
    log:
        f"{LOGS}/average_attributions/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    benchmark:
        LAYOUT.benchmark("average_attributions", "{run}/seed{seed}/{corpus}.{split}")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=gpu_unless_joined,
        mem_mb=growing(16000),
        runtime=480,
    params:
        cfg=PLAN.attribution.average_attributions.params,
    script:
        "../scripts/average_attributions.py"
