# What is in the layers of SSL backbones, what detectors make of them, and what they cost.


rule layer_weights:
    """Read the learned mix of SSL layers out of a trained detector."""
    input:
        backbone=run_backbone,
        detector=detector_files,
    output:
        f"{R}/layers/{{run}}/seed{{seed}}.tsv",
    log:
        f"{LOGS}/layer_weights/{{run}}/seed{{seed}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_layer_weights,
    script:
        "../scripts/layer_weights.py"


rule pool_layers:
    """Mean and standard deviation over time of every layer, for one shard of a split."""
    input:
        backbone=pool_backbone,
        features=pooled_features,
        manifest=f"{R}/manifests/{{corpus}}.tsv",
    output:
        values=f"{R}/layers/pooled/{{pool}}/{{corpus}}/{{split}}-{{shard}}.safetensors",
        index=f"{R}/layers/pooled/{{pool}}/{{corpus}}/{{split}}-{{shard}}.tsv",
    log:
        f"{LOGS}/pool_layers/{{pool}}/{{corpus}}.{{split}}-{{shard}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=growing(16000),
        runtime=240,
    params:
        cfg=params_pool_layers,
    script:
        "../scripts/pool_layers.py"


rule probe_layers:
    """Fit and test one linear probe per layer of a backbone."""
    input:
        manifests=probe_manifests,
        pooled=probe_pooled,
    output:
        f"{R}/layers/probes/{{probe}}.tsv",
    log:
        f"{LOGS}/probe_layers/{{probe}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=480,
    params:
        cfg=params_probe_layers,
    script:
        "../scripts/probe_layers.py"


rule layer_costs:
    """Measure parameters, latency and peak memory of SSL detectors, on one machine."""
    input:
        backbones=cost_backbones,
    output:
        f"{R}/benchmarks/layer_costs.tsv",
    log:
        f"{LOGS}/layer_costs.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=growing(16000),
        runtime=240,
    params:
        cfg=params_layer_costs,
    script:
        "../scripts/layer_costs.py"
