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


def fusion_scores(wildcards):
    return [
        f"{R}/scores/{run}/seed{seed}/{wildcards.corpus}.{wildcards.split}.tsv"
        for run, seed in STUDY.fusion_members(FUSIONS[wildcards.fusion])
    ]


def params_fit_fusion(wildcards):
    name = FUSIONS[wildcards.fusion]
    return with_code("fit_fusion", settings=STUDY.fusion_settings(name))


def params_apply_fusion(wildcards):
    name = FUSIONS[wildcards.fusion]
    return with_code("apply_fusion", settings=STUDY.fusion_settings(name))
