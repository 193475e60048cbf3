# Inputs, parameters and origins of the rules in rules/adoption.smk.


def detector_origin(run, seed):
    """The origin of a detector folder, trained here or adopted."""
    if run in ADOPTED:
        return origin(params_adopt, adopted=run)
    return origin(params_train, run=run, seed=seed)


def adopted_file(name):
    def path(wildcards):
        run = STUDY.run(wildcards.adopted)
        return str(Path(STUDY.config["detectors"][run.detector]["folder"]) / name)

    return path


def params_adopt(wildcards):
    settings = STUDY.run(wildcards.adopted).settings
    return with_code(
        "adopt",
        origins=backbone_origins(settings["frontend"]),
        run=wildcards.adopted,
        sha256=settings["sha256"],
        weights_sha256=settings["weights_sha256"],
        files=OUTSIDE.files([adopted_file("model.safetensors")(wildcards)]),
    )


def foreign_entry(wildcards):
    """What the study file says about the score file of one corpus and split."""
    return next(
        entry
        for entry in STUDY.run(wildcards.foreign).settings["scores"]
        if (entry["corpus"], entry["split"]) == (wildcards.corpus, wildcards.split)
    )


def foreign_file(wildcards):
    return foreign_entry(wildcards)["path"]


def params_import_scores(wildcards):
    return with_code(
        "import_scores",
        origins=[table_origin(wildcards.corpus)],
        run=wildcards.foreign,
        entry=foreign_entry(wildcards),
        files=OUTSIDE.files([foreign_file(wildcards)]),
    )
