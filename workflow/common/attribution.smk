# Inputs, parameters and targets of the rules in rules/attribution.smk.


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
