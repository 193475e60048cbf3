# Inputs, parameters and targets of the rules in rules/fusion.smk.


def fusion_fit_scores(wildcards):
    name = FUSIONS[wildcards.fusion]
    fit = STUDY.config["fusion"][name]["fit"]
    return [
        f"{R}/scores/{run}/seed{seed}/{fit['corpus']}.{fit['split']}.tsv"
        for run, seed in STUDY.fusion_members(name)
    ]


def fusion_fit_manifest(wildcards):
    fit = STUDY.config["fusion"][FUSIONS[wildcards.fusion]]["fit"]
    return f"{R}/manifests/{fit['corpus']}.tsv"


def fusion_manifests(wildcards):
    """Of what was fitted on, and of what is fused; one where these are the same corpus."""
    manifests = (
        fusion_fit_manifest(wildcards),
        f"{R}/manifests/{wildcards.corpus}.tsv",
    )
    return list(dict.fromkeys(manifests))


def fusion_scores(wildcards):
    return [
        f"{R}/scores/{run}/seed{seed}/{wildcards.corpus}.{wildcards.split}.tsv"
        for run, seed in STUDY.fusion_members(FUSIONS[wildcards.fusion])
    ]


def member_origins(name, corpus, split):
    return [
        score_origin(run, seed, corpus, split)
        for run, seed in STUDY.fusion_members(name)
    ]


def params_fit_fusion(wildcards):
    name = FUSIONS[wildcards.fusion]
    fit = STUDY.config["fusion"][name]["fit"]
    return with_code(
        "fit_fusion",
        origins=member_origins(name, fit["corpus"], fit["split"]),
        settings=STUDY.fusion_settings(name),
    )


def params_apply_fusion(wildcards):
    name = FUSIONS[wildcards.fusion]
    return with_code(
        "apply_fusion",
        origins=[
            origin(params_fit_fusion, fusion=wildcards.fusion),
            *member_origins(name, wildcards.corpus, wildcards.split),
        ],
        settings=STUDY.fusion_settings(name),
        split=wildcards.split,
    )
