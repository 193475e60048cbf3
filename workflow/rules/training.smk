# Training: one job per detector and seed.


rule train:
    """Train one detector with one seed; resumes where a killed training stopped."""
    input:
        backbone=run_backbone,
        features=training_features,
        manifests=training_manifests,
        noise=training_noise,
    output:
        model=f"{R}/detectors/{{run}}/seed{{seed}}/model.safetensors",
        detector=f"{R}/detectors/{{run}}/seed{{seed}}/detector.json",
        history=f"{R}/detectors/{{run}}/seed{{seed}}/history.tsv",
        card=f"{R}/detectors/{{run}}/seed{{seed}}/card.md",
    log:
        f"{LOGS}/train/{{run}}/seed{{seed}}.log",
    benchmark:
        f"{R}/benchmarks/train/{{run}}/seed{{seed}}.tsv"
    wildcard_constraints:
        run=one_of(STUDY.runs_of("detector")),
    priority: 10
    conda:
        ENVIRONMENT
    threads: training_processes
    resources:
        gpu=training_gpus,
        nodes=1,
        mem_mb=growing(32000),
        runtime=1440,
    params:
        cfg=params_train,
    script:
        "../scripts/train.py"
