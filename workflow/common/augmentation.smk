# Inputs, parameters and targets of the rules in rules/augmentation.smk.


NOISE_FOLDER = f"{STUDY.data_root}/mini_noise"
NOISE = {
    STUDY.noise_root(kind): {"kind": kind, "seed": STUDY.seed}
    for kind, entry in STUDY.config.get("noise", {}).items()
    if "path" not in entry
}


def noise_files(chain):
    """The lists of the recordings that a chain draws from."""
    return [
        listing
        for kind in chain["sources"]
        for listing in STUDY.noise_marker(kind) or [f"{R}/noise/{kind}.tsv"]
    ]


def noise_origins(chain):
    roots = {kind: STUDY.noise_root(kind) for kind in chain["sources"]}
    return [
        (
            origin(params_generate_noise, noise=root.removeprefix(f"{NOISE_FOLDER}/"))
            if root in NOISE
            else origin(params_list_noise, kind=kind)
        )
        for kind, root in roots.items()
    ]


def copy_files(wildcards):
    chain = STUDY.corpus_identity(wildcards.augmented)["chain"]
    return noise_files(chain)


def copy_manifest(wildcards):
    return f"{R}/manifests/{STUDY.copies[wildcards.augmented]['corpus']}.tsv"


def copy_segments(wildcards):
    return f"{R}/segments/{STUDY.copies[wildcards.augmented]['corpus']}.tsv"


def noise_folders(chain):
    return {kind: STUDY.noise_root(kind) for kind in chain["sources"]}


def params_generate_noise(wildcards):
    root = f"{NOISE_FOLDER}/{wildcards.noise}"
    return with_code("generate_noise", folder=root, **NOISE[root])


def params_list_noise(wildcards):
    return with_code(
        "list_noise",
        kind=wildcards.kind,
        folder=STUDY.noise_root(wildcards.kind),
        recordings=noise_recordings(wildcards.kind),
    )


def params_augment(wildcards):
    identity = STUDY.corpus_identity(wildcards.augmented)
    return with_code(
        "augment",
        effect_modules(identity["chain"]),
        origins=[
            table_origin(STUDY.copies[wildcards.augmented]["corpus"]),
            *noise_origins(identity["chain"]),
        ],
        identity=identity,
        noise=noise_folders(identity["chain"]),
        folder=f"{R}/augmented/{STUDY.copies[wildcards.augmented]['corpus']}/{wildcards.augmented}",
    )
