# Inputs, parameters and targets of the rules in rules/augmentation.smk.


NOISE_FOLDER = f"{STUDY.data_root}/mini_noise"
NOISE = {
    STUDY.noise_root(kind): {"kind": kind, "seed": STUDY.seed}
    for kind, entry in STUDY.config.get("noise", {}).items()
    if "path" not in entry
}


def noise_files(chain):
    return [marker for kind in chain["sources"] for marker in STUDY.noise_marker(kind)]


def noise_origins(chain):
    roots = [STUDY.noise_root(kind) for kind in chain["sources"]]
    return [
        origin(params_generate_noise, noise=root.removeprefix(f"{NOISE_FOLDER}/"))
        for root in roots
        if root in NOISE
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
