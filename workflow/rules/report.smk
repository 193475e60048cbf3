# Figures, tables and the report. One rule per figure; no torch in any of them.


rule figure_det_curves:
    """Detection error trade-off curves of every system on every eval set."""
    input:
        unpack(PLAN.figures.figure_det_curves.inputs),
    output:
        **figure_files("det_curves"),
    log:
        f"{LOGS}/figure_det_curves.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_det_curves.params,
    script:
        "../scripts/figure_det_curves.py"


rule figure_score_histograms:
    """Score distributions of bona fide and spoof, with the decision threshold chosen on dev."""
    input:
        unpack(PLAN.figures.figure_score_histograms.inputs),
    output:
        **figure_files("score_histograms"),
    log:
        f"{LOGS}/figure_score_histograms.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_score_histograms.params,
    script:
        "../scripts/figure_score_histograms.py"


rule figure_eer_by_condition:
    """EER per condition with bootstrap intervals."""
    input:
        unpack(PLAN.figures.figure_eer_by_condition.inputs),
    output:
        **figure_files("eer_by_condition"),
    log:
        f"{LOGS}/figure_eer_by_condition.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_eer_by_condition.params,
    script:
        "../scripts/figure_eer_by_condition.py"


rule figure_train_test_matrix:
    """EER of every detector, by what it was trained on, on every attack."""
    input:
        unpack(PLAN.figures.figure_train_test_matrix.inputs),
    output:
        **figure_files("train_test_matrix"),
    log:
        f"{LOGS}/figure_train_test_matrix.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_train_test_matrix.params,
    script:
        "../scripts/figure_train_test_matrix.py"


rule figure_generator_matrix:
    """EER of every detector on every generator; what it was trained on is framed."""
    input:
        unpack(PLAN.figures.figure_generator_matrix.inputs),
    output:
        **figure_files("generator_matrix"),
    log:
        f"{LOGS}/figure_generator_matrix.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_generator_matrix.params,
    script:
        "../scripts/figure_generator_matrix.py"


rule figure_comparisons:
    """Differences between systems in pairs, on the same trials, and which are significant."""
    input:
        unpack(PLAN.figures.figure_comparisons.inputs),
    output:
        **figure_files("comparisons"),
    log:
        f"{LOGS}/figure_comparisons.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_comparisons.params,
    script:
        "../scripts/figure_comparisons.py"


rule figure_reliability:
    """Whether the probabilities of the systems are right, before and after calibration."""
    input:
        unpack(PLAN.figures.figure_reliability.inputs),
    output:
        **figure_files("reliability"),
    log:
        f"{LOGS}/figure_reliability.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_reliability.params,
    script:
        "../scripts/figure_reliability.py"


rule figure_disagreements:
    """Scores of two systems against each other: where they agree, and which clips were exported."""
    input:
        unpack(PLAN.figures.figure_disagreements.inputs),
    output:
        **figure_files("disagreements"),
    log:
        f"{LOGS}/figure_disagreements.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_disagreements.params,
    script:
        "../scripts/figure_disagreements.py"


rule figure_attribution_examples:
    """Attribution over waveform and spectrogram for one utterance per attack."""
    input:
        unpack(PLAN.figures.figure_attribution_examples.inputs),
    output:
        **figure_files("attribution_examples"),
    log:
        f"{LOGS}/figure_attribution_examples.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_attribution_examples.params,
    script:
        "../scripts/figure_attribution_examples.py"


rule figure_attribution_mean:
    """Mean attribution by frequency and time, for bona fide speech, spoofs and both."""
    input:
        unpack(PLAN.figures.figure_attribution_mean.inputs),
    output:
        **figure_files("attribution_mean"),
    log:
        f"{LOGS}/figure_attribution_mean.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_attribution_mean.params,
    script:
        "../scripts/figure_attribution_mean.py"


rule figure_localisation:
    """How well each detector's attribution finds the planted segments, per attack."""
    input:
        unpack(PLAN.figures.figure_localisation.inputs),
    output:
        **figure_files("localisation"),
    log:
        f"{LOGS}/figure_localisation.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_localisation.params,
    script:
        "../scripts/figure_localisation.py"


rule figure_layer_weights:
    """Learned weights of the SSL layers, per detector and seed."""
    input:
        unpack(PLAN.figures.figure_layer_weights.inputs),
    output:
        **figure_files("layer_weights"),
    log:
        f"{LOGS}/figure_layer_weights.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_layer_weights.params,
    script:
        "../scripts/figure_layer_weights.py"


rule figure_layer_weight_map:
    """Learned weights of the SSL layers, mean over seeds, as a heat map on one scale."""
    input:
        unpack(PLAN.figures.figure_layer_weight_map.inputs),
    output:
        **figure_files("layer_weight_map"),
    log:
        f"{LOGS}/figure_layer_weight_map.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_layer_weight_map.params,
    script:
        "../scripts/figure_layer_weight_map.py"


rule figure_layer_depth:
    """EER against the number of transformer layers that are kept."""
    input:
        unpack(PLAN.figures.figure_layer_depth.inputs),
    output:
        **figure_files("layer_depth"),
    log:
        f"{LOGS}/figure_layer_depth.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_layer_depth.params,
    script:
        "../scripts/figure_layer_depth.py"


rule figure_layer_probes:
    """EER of one linear probe per layer."""
    input:
        unpack(PLAN.figures.figure_layer_probes.inputs),
    output:
        **figure_files("layer_probes"),
    log:
        f"{LOGS}/figure_layer_probes.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_layer_probes.params,
    script:
        "../scripts/figure_layer_probes.py"


rule figure_layer_probe_map:
    """EER of linear probes per layer and condition, as a heat map."""
    input:
        unpack(PLAN.figures.figure_layer_probe_map.inputs),
    output:
        **figure_files("layer_probe_map"),
    log:
        f"{LOGS}/figure_layer_probe_map.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_layer_probe_map.params,
    script:
        "../scripts/figure_layer_probe_map.py"


rule figure_layer_pareto:
    """EER against measured parameters, latency and memory of SSL detectors."""
    input:
        unpack(PLAN.figures.figure_layer_pareto.inputs),
    output:
        **figure_files("layer_pareto"),
    log:
        f"{LOGS}/figure_layer_pareto.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_layer_pareto.params,
    script:
        "../scripts/figure_layer_pareto.py"


rule figure_fingerprint_means:
    """Mean spectrum of every generator over that of bona fide speech."""
    input:
        unpack(PLAN.figures.figure_fingerprint_means.inputs),
    output:
        **figure_files("fingerprint_means"),
    log:
        f"{LOGS}/figure_fingerprint_means.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_fingerprint_means.params,
    script:
        "../scripts/figure_fingerprint_means.py"


rule figure_fingerprint_differences:
    """Differences of mean spectra to bona fide speech, and whether halves of the clips agree."""
    input:
        unpack(PLAN.figures.figure_fingerprint_differences.inputs),
    output:
        **figure_files("fingerprint_differences"),
    log:
        f"{LOGS}/figure_fingerprint_differences.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_fingerprint_differences.params,
    script:
        "../scripts/figure_fingerprint_differences.py"


rule figure_artefact_correlations:
    """Correlation of signal measures with detector scores, with corrected significance."""
    input:
        unpack(PLAN.figures.figure_artefact_correlations.inputs),
    output:
        **figure_files("artefact_correlations"),
    log:
        f"{LOGS}/figure_artefact_correlations.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.figures.figure_artefact_correlations.params,
    script:
        "../scripts/figure_artefact_correlations.py"


rule table_runs:
    """Which run id stands for which settings."""
    output:
        table_file("runs"),
    log:
        f"{LOGS}/table_runs.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.comparisons.table_runs.params,
    script:
        "../scripts/table_runs.py"


rule table_headline:
    """The main metrics of every system on every scored set, with intervals and spread over seeds."""
    input:
        unpack(PLAN.comparisons.table_headline.inputs),
    output:
        table_file("headline"),
    log:
        f"{LOGS}/table_headline.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.comparisons.table_headline.params,
    script:
        "../scripts/table_headline.py"


rule table_comparisons:
    """Paired bootstrap of the error rates of every two systems, with Holm's correction."""
    input:
        unpack(PLAN.comparisons.table_comparisons.inputs),
    output:
        table_file("comparisons"),
    log:
        f"{LOGS}/table_comparisons.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.comparisons.table_comparisons.params,
    script:
        "../scripts/table_comparisons.py"


rule table_breakdowns:
    """Macro average and worst level of every condition, per system and eval set."""
    input:
        unpack(PLAN.comparisons.table_breakdowns.inputs),
    output:
        table_file("breakdowns"),
    log:
        f"{LOGS}/table_breakdowns.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.comparisons.table_breakdowns.params,
    script:
        "../scripts/table_breakdowns.py"


rule table_generator_matrix:
    """Error rates of every detector on every generator, by what it was trained on."""
    input:
        unpack(PLAN.generators.table_generator_matrix.inputs),
    output:
        matrix=table_file("generator_matrix"),
        seeds=LAYOUT.table("generator_matrix.seeds"),
    log:
        f"{LOGS}/table_generator_matrix.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.generators.table_generator_matrix.params,
    script:
        "../scripts/table_generator_matrix.py"


rule report:
    """One self-contained page: what was run, on what, every number and figure, and the caveats."""
    input:
        unpack(PLAN.report.report.inputs),
    output:
        report(
            LAYOUT.report(),
            caption="../report/report.rst",
            category="Report",
            labels={"page": "the whole study"},
        ),
    log:
        f"{LOGS}/report.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.report.report.params,
    script:
        "../scripts/report.py"
