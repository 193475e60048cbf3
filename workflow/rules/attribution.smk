# Integrated Gradients: baseline, attribution, localisation against known segments.


def attribution_options():
    options = STUDY.config["attribution"]
    return {key: value for key, value in options.items() if key not in ("detectors",)}


def centroid_manifests(wildcards):
    sources = training_sources(wildcards.run, "train")
    return sorted({f"{R}/manifests/{corpus}.tsv" for corpus, _ in sources})


def centroid_features(wildcards):
    if not STUDY.trains_on_features(wildcards.run):
        return []
    return [
        path
        for corpus, split in training_sources(wildcards.run, "train")
        for suffix in ("safetensors", "tsv")
        for path in feature_shards(
            STUDY.features_id(wildcards.run), corpus, split, suffix
        )
    ]


def params_centroid(wildcards):
    run = STUDY.run(wildcards.run)
    return with_code(
        "centroid",
        component_modules(run.settings),
        run=run.id,
        folder=detector_folder(run.id, wildcards.seed),
        train=STUDY.config["detectors"][run.detector]["train"]["data"],
        shards=shard_names("train"),
    )


def params_explain(wildcards):
    return with_code(
        "explain",
        component_modules(STUDY.run(wildcards.run).settings),
        run=wildcards.run,
        folder=detector_folder(wildcards.run, wildcards.seed),
        options=attribution_options(),
        seed=STUDY.seed,
    )


def explained_scores(wildcards):
    split = STUDY.config["attribution"]["split"]
    return f"{R}/scores/{wildcards.run}/seed{wildcards.seed}/{wildcards.corpus}.{split}.tsv"


def params_localise(wildcards):
    return with_code("localise", run=wildcards.run, seed=STUDY.seed)


rule centroid:
    """Mean bona fide features of the training data: the baseline of Integrated Gradients."""
    input:
        backbone=run_backbone,
        detector=detector_files,
        features=centroid_features,
        manifests=centroid_manifests,
    output:
        f"{R}/attributions/{{run}}/seed{{seed}}/centroid.safetensors",
    log:
        f"{LOGS}/centroid/{{run}}/seed{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=8000,
        runtime=120,
    params:
        cfg=params_centroid,
    script:
        "../scripts/centroid.py"


rule explain:
    """Integrated Gradients of the bona fide log-odds, with the completeness error of each clip."""
    input:
        backbone=run_backbone,
        centroid=f"{R}/attributions/{{run}}/seed{{seed}}/centroid.safetensors",
        detector=detector_files,
        manifest=f"{R}/manifests/{{corpus}}.tsv",
        scores=explained_scores,
    output:
        attributions=f"{R}/attributions/{{run}}/seed{{seed}}/{{corpus}}.safetensors",
        regions=f"{R}/attributions/{{run}}/seed{{seed}}/{{corpus}}.regions.tsv",
        summary=f"{R}/attributions/{{run}}/seed{{seed}}/{{corpus}}.summary.tsv",
    log:
        f"{LOGS}/explain/{{run}}/seed{{seed}}/{{corpus}}.log",
    benchmark:
        f"{R}/benchmarks/explain/{{run}}/seed{{seed}}/{{corpus}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=16000,
        runtime=480,
    params:
        cfg=params_explain,
    script:
        "../scripts/explain.py"


rule localise:
    input:
        attributions=f"{R}/attributions/{{run}}/seed{{seed}}/{{corpus}}.safetensors",
        manifest=f"{R}/manifests/{{corpus}}.tsv",
        segments=f"{R}/segments/{{corpus}}.tsv",
    output:
        f"{R}/attributions/{{run}}/seed{{seed}}/{{corpus}}.localisation.tsv",
    log:
        f"{LOGS}/localise/{{run}}/seed{{seed}}/{{corpus}}.log",
    """How well attribution finds the segments that are known to be artefacts."""
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_localise,
    script:
        "../scripts/localise.py"
