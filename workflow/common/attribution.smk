# Inputs, parameters and targets of the rules in rules/attribution.smk.


def attribution_options():
    options = STUDY.config["attribution"]
    return {
        key: value
        for key, value in options.items()
        if key not in ("averages", "detectors")
    }


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
        origins=[detector_origin(run.id, wildcards.seed)],
        run=run.id,
        folder=detector_folder(run.id, wildcards.seed),
        train=STUDY.train_sources(run.detector),
        shards=shard_names("train"),
    )


def explained_centroid(wildcards):
    if STUDY.config["attribution"].get("baseline", "centroid") != "centroid":
        return []
    return f"{R}/attributions/{wildcards.run}/seed{wildcards.seed}/centroid.safetensors"


def params_explain(wildcards):
    run, seed = wildcards.run, wildcards.seed
    split = STUDY.config["attribution"]["split"]
    origins = [score_origin(run, seed, wildcards.corpus, split)]
    if explained_centroid(wildcards):
        origins.append(origin(params_centroid, run=run, seed=seed))
    return with_code(
        "explain",
        component_modules(STUDY.run(run).settings),
        origins=origins,
        run=wildcards.run,
        folder=detector_folder(wildcards.run, wildcards.seed),
        options=attribution_options(),
        seed=STUDY.seed,
    )


def explain_origin(run, seed, corpus):
    return origin(params_explain, run=run, seed=seed, corpus=corpus)


def explained_scores(wildcards):
    split = STUDY.config["attribution"]["split"]
    return f"{R}/scores/{wildcards.run}/seed{wildcards.seed}/{wildcards.corpus}.{split}.tsv"


def params_localise(wildcards):
    explained = explain_origin(wildcards.run, wildcards.seed, wildcards.corpus)
    return with_code(
        "localise", origins=[explained], run=wildcards.run, **bootstrap_options()
    )


def params_check_explanations(wildcards):
    explained = explain_origin(wildcards.run, wildcards.seed, wildcards.corpus)
    return with_code(
        "check_explanations",
        origins=[explained],
        run=wildcards.run,
        **bootstrap_options(),
    )


# --- means over many windows -------------------------------------------------------------------


def average_settings(wildcards):
    target(averaged, absent=NO_AVERAGES)(wildcards)
    return STUDY.averages()


def averaged_centroid(wildcards):
    if average_settings(wildcards).get("baseline") != "centroid":
        return []
    return f"{R}/attributions/{wildcards.run}/seed{wildcards.seed}/centroid.safetensors"


def params_average_attributions(wildcards):
    run, seed = wildcards.run, wildcards.seed
    averages = average_settings(wildcards)
    origins = [detector_origin(run, seed), table_origin(wildcards.corpus)]
    if averaged_centroid(wildcards):
        origins.append(origin(params_centroid, run=run, seed=seed))
    return with_code(
        "average_attributions",
        component_modules(STUDY.run(run).settings),
        origins=origins,
        run=run,
        folder=detector_folder(run, seed),
        options={
            key: value
            for key, value in averages.items()
            if key not in ("corpus", "detectors", "split")
        },
        split=wildcards.split,
        seed=STUDY.seed,
    )


def averaged_files(suffix):
    return [
        f"{R}/attributions/{run}/seed{seed}/{corpus}.{split}.mean.{suffix}"
        for run, seed, corpus, split in averaged()
    ]


def averaged_maps():
    return averaged_files("safetensors")


def average_origins():
    return [
        origin(
            params_average_attributions, run=run, seed=seed, corpus=corpus, split=split
        )
        for run, seed, corpus, split in averaged()
    ]


def averaged_names():
    return [STUDY.run(run).detector for run, *_ in averaged()]
