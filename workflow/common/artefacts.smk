# Inputs, parameters and targets of the rules in rules/artefacts.smk.


def params_measure_artefacts(wildcards):
    return with_code(
        "measure_artefacts",
        origins=[table_origin(wildcards.corpus)],
        split=wildcards.split,
    )


def measures_origin(wildcards):
    return origin(
        params_measure_artefacts, corpus=wildcards.corpus, split=wildcards.split
    )


def params_rate_artefacts(wildcards):
    return with_code(
        "rate_artefacts",
        origins=[measures_origin(wildcards)],
        corpus=wildcards.corpus,
        split=wildcards.split,
        **bootstrap_options(),
    )


def correlated_attributions(wildcards):
    explained = (wildcards.run, int(wildcards.seed)) in attributed()
    options = STUDY.config.get("attribution", {})
    same = (options.get("corpus"), options.get("split")) == (
        wildcards.corpus,
        wildcards.split,
    )
    if not (explained and same):
        return []
    return f"{R}/attributions/{wildcards.run}/seed{wildcards.seed}/{wildcards.corpus}.safetensors"


def params_correlate_artefacts(wildcards):
    run, seed, corpus = wildcards.run, wildcards.seed, wildcards.corpus
    origins = [
        measures_origin(wildcards),
        score_origin(run, seed, corpus, wildcards.split),
    ]
    if correlated_attributions(wildcards):
        origins.append(explain_origin(run, seed, corpus))
    return with_code(
        "correlate_artefacts",
        origins=origins,
        run=wildcards.run,
        run_seed=int(wildcards.seed),
        split=wildcards.split,
        permutations=STUDY.config.get("artefacts", {}).get("permutations", 10000),
        **bootstrap_options(),
    )
