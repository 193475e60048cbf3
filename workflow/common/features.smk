# Inputs, parameters and targets of the rules in rules/features.smk.


BACKBONES = {
    STUDY.backbone_id(name): STUDY.backbone_source(name)
    for name, entry in STUDY.config.get("backbones", {}).items()
    if "folder" not in entry
}


def backbone_files(frontend):
    """The files that a front-end's backbone is loaded from."""
    folder = frontend.get("backbone", {}).get("folder")
    if folder is None:
        return []
    return [f"{folder}/config.json", f"{folder}/model.safetensors"]


def run_backbone(wildcards):
    files = backbone_files(STUDY.run(wildcards.run).settings["frontend"])
    if wildcards.run not in ADOPTED:
        return files
    # A detector that brings all weights needs no more of its backbone than the configuration.
    made = [f"{STUDY.data_root}/backbones/{name}" for name in BACKBONES]
    return [
        file for file in files if Path(file).exists() or str(Path(file).parent) in made
    ]


def features_backbone(wildcards):
    return backbone_files(STUDY.features(wildcards.features)["frontend"])


def backbone_origins(frontend):
    folder = frontend.get("backbone", {}).get("folder")
    made = {f"{STUDY.data_root}/backbones/{name}": name for name in BACKBONES}
    if folder in made:
        return [origin(params_backbone, backbone=made[folder])]
    if folder is None:
        return []
    files = sorted({*Path(folder).glob("*.json"), *Path(folder).glob("*.safetensors")})
    return [hash8(OUTSIDE.files(map(str, files)))]


def params_backbone(wildcards):
    return with_code("backbone", entry=BACKBONES[wildcards.backbone])


def feature_origins(run, corpus, split):
    return [
        origin(
            params_extract_features,
            features=STUDY.features_id(run),
            corpus=corpus,
            split=split,
            shard=shard,
        )
        for shard in shard_names(split)
    ]


def params_extract_features(wildcards):
    settings = STUDY.features(wildcards.features)
    return with_code(
        "extract_features",
        component_modules(settings),
        origins=[
            table_origin(wildcards.corpus),
            *backbone_origins(settings["frontend"]),
        ],
        settings=settings,
        shard=wildcards.shard,
        split=wildcards.split,
    )
