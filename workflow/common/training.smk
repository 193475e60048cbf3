# Inputs, parameters and targets of the rules in rules/training.smk.


def training_manifests(wildcards):
    sources = training_sources(wildcards.run, "train") + training_sources(
        wildcards.run, "dev"
    )
    return sorted({f"{R}/manifests/{corpus}.tsv" for corpus, _ in sources})


def training_features(wildcards):
    run = wildcards.run
    if not STUDY.is_cached(run):
        return []
    # A training that augments on the fly reads its training audio, but still its dev features.
    kinds = ["train", "dev"] if STUDY.trains_on_features(run) else ["dev"]
    sources = sorted(
        {source for kind in kinds for source in training_sources(run, kind)}
    )
    return [
        path
        for corpus, split in sources
        for suffix in ("safetensors", "tsv")
        for path in feature_shards(STUDY.features_id(run), corpus, split, suffix)
    ]


def training_noise(wildcards):
    settings = STUDY.run(wildcards.run).settings
    return noise_files(settings["chain"]) if "chain" in settings else []


def training_processes(wildcards):
    recipe = STUDY.run(wildcards.run).settings["recipe"]
    values = {**(recipe.get("preset") or {}).get("values", {}), **recipe}
    return values.get("processes", 1)


def training_gpus(wildcards):
    """One for each process. Profiles of clusters say the same by the number of threads."""
    return LOCAL_GPU * training_processes(wildcards)


def params_train(wildcards):
    run = STUDY.run(wildcards.run)
    entry = STUDY.config["detectors"][run.detector]
    modules = component_modules(run.settings)
    sources = training_sources(run.id, "train") + training_sources(run.id, "dev")
    origins = [table_origin(corpus) for corpus, _ in sources]
    origins += backbone_origins(run.settings["frontend"])
    noise = {}
    if "chain" in run.settings:
        modules += effect_modules(run.settings["chain"])
        noise = noise_folders(run.settings["chain"])
        origins += noise_origins(run.settings["chain"])
    shards = {}
    if STUDY.is_cached(run.id):
        kinds = ["train", "dev"] if STUDY.trains_on_features(run.id) else ["dev"]
        for corpus, split in [source for source in sources if source[1] in kinds]:
            shards.setdefault(split, {})[corpus] = feature_shards(
                STUDY.features_id(run.id), corpus, split, "safetensors"
            )
            origins += feature_origins(run.id, corpus, split)
    return with_code(
        "train",
        modules,
        origins=origins,
        run=run.id,
        settings=run.settings,
        train=entry["train"]["data"],
        dev=STUDY.dev_sources(run.detector),
        manifests={corpus: f"{R}/manifests/{corpus}.tsv" for corpus, _ in sources},
        features=shards,
        noise=noise,
        seed=int(wildcards.seed),
        folder=detector_folder(run.id, wildcards.seed),
        work=f"{R}/work/{run.id}/seed{wildcards.seed}",
    )
