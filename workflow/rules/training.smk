# Training: one job per detector and seed.


rule train:
    """Train one detector with one seed; continue from the checkpoint of a killed training."""
    input:
        unpack(PLAN.training.train.inputs),
    output:
        model=LAYOUT.detector_file("{run}", "{seed}", "model.safetensors"),
        detector=LAYOUT.detector_file("{run}", "{seed}", "detector.json"),
        history=LAYOUT.detector_file("{run}", "{seed}", "history.tsv"),
        card=LAYOUT.detector_file("{run}", "{seed}", "card.md"),
    log:
        f"{LOGS}/train/{{run}}/seed{{seed}}.log",
    benchmark:
        LAYOUT.benchmark("train", "{run}/seed{seed}")
    wildcard_constraints:
        run=one_of(STUDY.runs_of("detector")),
    priority: 10
    conda:
        ENVIRONMENT
    # Profiles of clusters say the number of GPUs by the number of threads.
    threads: lambda wildcards: PLAN.training.processes(wildcards.run)
    resources:
        gpu=lambda wildcards: LOCAL_GPU * PLAN.training.processes(wildcards.run),
        nodes=1,
        mem_mb=growing(32000),
        runtime=1440,
    params:
        cfg=PLAN.training.train.params,
    script:
        "../scripts/train.py"
