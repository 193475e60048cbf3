# Inputs, parameters and targets of the rules in rules/layers.smk.


def params_layer_weights(wildcards):
    settings = STUDY.run(wildcards.run).settings
    return with_code(
        "layer_weights",
        component_modules(settings),
        origins=[origin(params_train, run=wildcards.run, seed=wildcards.seed)],
        run=wildcards.run,
        detector=STUDY.run(wildcards.run).detector,
        seed=int(wildcards.seed),
        folder=detector_folder(wildcards.run, wildcards.seed),
    )
