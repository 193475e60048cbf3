# Integrated Gradients: baseline, attribution, localisation against known segments.


rule centroid:
    """Mean bona fide features of the training data: the baseline of Integrated Gradients."""
    input:
        backbone=run_backbone,
        detector=detector_files,
        features=centroid_features,
        manifests=centroid_manifests,
    output:
        f"{R}/attributions/{{run}}/seed{{seed}}/centroid.safetensors",
    log:
        f"{LOGS}/centroid/{{run}}/seed{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=growing(16000),
        runtime=120,
    params:
        cfg=params_centroid,
    script:
        "../scripts/centroid.py"


rule explain:
    """Integrated Gradients of the scores, with the completeness error of each clip."""
    input:
        backbone=run_backbone,
        centroid=explained_centroid,
        detector=detector_files,
        manifest=f"{R}/manifests/{{corpus}}.tsv",
        scores=explained_scores,
    output:
        attributions=f"{R}/attributions/{{run}}/seed{{seed}}/{{corpus}}.safetensors",
        regions=f"{R}/attributions/{{run}}/seed{{seed}}/{{corpus}}.regions.tsv",
        summary=f"{R}/attributions/{{run}}/seed{{seed}}/{{corpus}}.summary.tsv",
    log:
        f"{LOGS}/explain/{{run}}/seed{{seed}}/{{corpus}}.log",
    benchmark:
        f"{R}/benchmarks/explain/{{run}}/seed{{seed}}/{{corpus}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=growing(32000),
        runtime=480,
    params:
        cfg=params_explain,
    script:
        "../scripts/explain.py"


rule localise:
    """How well attribution finds the segments that are known to be artefacts."""
    input:
        attributions=f"{R}/attributions/{{run}}/seed{{seed}}/{{corpus}}.safetensors",
        manifest=f"{R}/manifests/{{corpus}}.tsv",
        segments=f"{R}/segments/{{corpus}}.tsv",
    output:
        summary=f"{R}/attributions/{{run}}/seed{{seed}}/{{corpus}}.localisation.tsv",
        utterances=f"{R}/attributions/{{run}}/seed{{seed}}/{{corpus}}.localisation.utterances.tsv",
    log:
        f"{LOGS}/localise/{{run}}/seed{{seed}}/{{corpus}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_localise,
    script:
        "../scripts/localise.py"


rule check_explanations:
    """How faithful the explanations are: means over clips, with their intervals."""
    input:
        manifest=f"{R}/manifests/{{corpus}}.tsv",
        summary=f"{R}/attributions/{{run}}/seed{{seed}}/{{corpus}}.summary.tsv",
    output:
        f"{R}/attributions/{{run}}/seed{{seed}}/{{corpus}}.checks.tsv",
    log:
        f"{LOGS}/check_explanations/{{run}}/seed{{seed}}/{{corpus}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_check_explanations,
    script:
        "../scripts/check_explanations.py"


rule average_attributions:
    """Mean Integrated Gradients of many windows, by frequency and time, per class and system."""
    input:
        backbone=run_backbone,
        centroid=averaged_centroid,
        detector=detector_files,
        manifest=f"{R}/manifests/{{corpus}}.tsv",
    output:
        maps=f"{R}/attributions/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.mean.safetensors",
        bands=f"{R}/attributions/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.mean.bands.tsv",
        summary=f"{R}/attributions/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.mean.summary.tsv",
    log:
        f"{LOGS}/average_attributions/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.log",
    benchmark:
        f"{R}/benchmarks/average_attributions/{{run}}/seed{{seed}}/{{corpus}}.{{split}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=LOCAL_GPU,
        mem_mb=growing(16000),
        runtime=480,
    params:
        cfg=params_average_attributions,
    script:
        "../scripts/average_attributions.py"
