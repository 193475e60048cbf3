# What is in the layers of SSL backbones, what detectors make of them, and what they cost.


rule layer_weights:
    """Read the learned mix of SSL layers out of a trained detector."""
    input:
        unpack(PLAN.layers.layer_weights.inputs),
    output:
        LAYOUT.layer_weights("{run}", "{seed}"),
    log:
        f"{LOGS}/layer_weights/{{run}}/seed{{seed}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.layers.layer_weights.params,
    script:
        "../scripts/layer_weights.py"


rule pool_layers:
    """Pool every layer over time (mean and standard deviation), for one shard of a split."""
    input:
        unpack(PLAN.layers.pool_layers.inputs),
    output:
        values=LAYOUT.pooled_layers(
            "{pool}", "{corpus}", "{split}", "{shard}", "safetensors"
        ),
        index=LAYOUT.pooled_layers("{pool}", "{corpus}", "{split}", "{shard}", "tsv"),
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
        cfg=PLAN.layers.pool_layers.params,
    script:
        "../scripts/pool_layers.py"


rule probe_layers:
    """Fit and test one linear probe per layer of a backbone."""
    input:
        unpack(PLAN.layers.probe_layers.inputs),
    output:
        LAYOUT.probe("{probe}"),
    log:
        f"{LOGS}/probe_layers/{{probe}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=480,
    params:
        cfg=PLAN.layers.probe_layers.params,
    script:
        "../scripts/probe_layers.py"


rule layer_costs:
    """Measure parameters, latency and peak memory of SSL detectors, on one machine."""
    input:
        unpack(PLAN.layers.layer_costs.inputs),
    output:
        LAYOUT.layer_costs(),
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
        cfg=PLAN.layers.layer_costs.params,
    script:
        "../scripts/layer_costs.py"
