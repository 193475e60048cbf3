# Inputs, parameters and targets of the rules in rules/scoring.smk.


def score_features(wildcards):
    if not STUDY.is_cached(wildcards.run):
        return []
    stem = (
        f"{R}/features/{STUDY.features_id(wildcards.run)}/{wildcards.corpus}/"
        f"{wildcards.split}-{wildcards.shard}"
    )
    return [f"{stem}.safetensors", f"{stem}.tsv"]


def score_shards(wildcards):
    return [
        f"{R}/scores/{wildcards.run}/seed{wildcards.seed}/shards/"
        f"{wildcards.corpus}.{wildcards.split}-{shard}.tsv"
        for shard in shard_names(wildcards.split)
    ]


def detector_files(wildcards):
    folder = detector_folder(wildcards.run, wildcards.seed)
    return [f"{folder}/detector.json", f"{folder}/model.safetensors"]


def params_score(wildcards):
    run, corpus, split = wildcards.run, wildcards.corpus, wildcards.split
    settings = STUDY.run(run).settings
    origins = [
        detector_origin(run, wildcards.seed),
        table_origin(corpus),
    ]
    if STUDY.is_cached(run):
        origins += feature_origins(run, corpus, split)
    return with_code(
        "score",
        component_modules(settings),
        origins=origins,
        run=wildcards.run,
        folder=detector_folder(wildcards.run, wildcards.seed),
        split=wildcards.split,
        shard=wildcards.shard,
        work=f"{R}/work/{wildcards.run}/seed{wildcards.seed}/scores/"
        f"{wildcards.corpus}.{wildcards.split}-{wildcards.shard}",
    )


def params_gather_scores(wildcards):
    shards = [
        origin(
            params_score,
            run=wildcards.run,
            seed=wildcards.seed,
            corpus=wildcards.corpus,
            split=wildcards.split,
            shard=shard,
        )
        for shard in shard_names(wildcards.split)
    ]
    return with_code("gather_scores", origins=shards, split=wildcards.split)


def score_origin(system, seed, corpus, split):
    if system in FUSIONS:
        return origin(params_apply_fusion, fusion=system, corpus=corpus, split=split)
    if system in FOREIGN:
        return origin(params_import_scores, foreign=system, corpus=corpus, split=split)
    return origin(
        params_gather_scores, run=system, seed=seed, corpus=corpus, split=split
    )


def metrics_detector(wildcards):
    """What knows the threshold at equal error rate on dev, and the calibration."""
    if wildcards.system in FUSIONS:
        return f"{R}/fusion/{wildcards.system}.json"
    if wildcards.system in FOREIGN:
        return []
    return f"{detector_folder(wildcards.system, wildcards.seed)}/detector.json"


def asv_scores(wildcards):
    """The score file of the speaker verifier, where there is one."""
    tandem = STUDY.tandem(wildcards.corpus, wildcards.split) or {}
    return tandem.get("scores", [])


def asv_files(wildcards):
    path = asv_scores(wildcards)
    return {"files": OUTSIDE.files([path])} if path else {}


def bootstrap_options():
    """How the intervals of every table are made; `cluster: null` is as `none`, and no key is the
    default, which is told from the trials.
    """
    bootstrap = STUDY.config.get("bootstrap", {})
    return {
        "resamples": bootstrap.get("resamples", 1000),
        "cluster": bootstrap["cluster"] or "none" if "cluster" in bootstrap else None,
        "bootstrap_seed": STUDY.seed,
    }


def params_compute_metrics(wildcards):
    return with_code(
        "compute_metrics",
        origins=[
            score_origin(
                wildcards.system, wildcards.seed, wildcards.corpus, wildcards.split
            )
        ],
        system=wildcards.system,
        seed=int(wildcards.seed),
        corpus=wildcards.corpus,
        split=wildcards.split,
        conditions=STUDY.config.get("conditions", []),
        **bootstrap_options(),
        tandem=STUDY.tandem(wildcards.corpus, wildcards.split),
        **asv_files(wildcards),
    )
