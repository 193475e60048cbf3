# Figures, tables and the report. One rule per figure; no torch in any of them.


rule figure_det_curves:
    """Detection error trade-off curves of every system on every eval set."""
    input:
        manifests=manifests_of(shown_sets()),
        scores=shown_files("scores"),
    output:
        pdf=f"{R}/figures/det_curves.pdf",
        png=report_figure("det_curves"),
        tsv=f"{R}/figures/det_curves.tsv",
    log:
        f"{LOGS}/figure_det_curves.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("det_curves", shown_score_origins, shown=True),
    script:
        "../scripts/figure_det_curves.py"


rule figure_score_histograms:
    """Score distributions of bona fide and spoof, with the decision threshold chosen on dev."""
    input:
        manifests=manifests_of(shown_sets()),
        scores=shown_files("scores"),
        thresholds=shown_thresholds(),
    output:
        pdf=f"{R}/figures/score_histograms.pdf",
        png=report_figure("score_histograms"),
        tsv=f"{R}/figures/score_histograms.tsv",
    log:
        f"{LOGS}/figure_score_histograms.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("score_histograms", shown_score_origins, shown=True),
    script:
        "../scripts/figure_score_histograms.py"


rule figure_eer_by_condition:
    """EER per condition with bootstrap intervals."""
    input:
        metrics=shown_files("metrics"),
    output:
        pdf=f"{R}/figures/eer_by_condition.pdf",
        png=report_figure("eer_by_condition"),
        tsv=f"{R}/figures/eer_by_condition.tsv",
    log:
        f"{LOGS}/figure_eer_by_condition.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("eer_by_condition", shown_metrics_origins, shown=True),
    script:
        "../scripts/figure_eer_by_condition.py"


rule figure_train_test_matrix:
    """EER of every detector, by what it was trained on, on every spoofing system."""
    input:
        metrics=shown_files("metrics"),
    output:
        pdf=f"{R}/figures/train_test_matrix.pdf",
        png=report_figure("train_test_matrix"),
        tsv=f"{R}/figures/train_test_matrix.tsv",
    log:
        f"{LOGS}/figure_train_test_matrix.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("train_test_matrix", shown_metrics_origins, shown=True),
    script:
        "../scripts/figure_train_test_matrix.py"


rule figure_generator_matrix:
    """EER of every detector on every generator; what it was trained on is framed."""
    input:
        table=target(generator_matrix, absent=NO_GENERATORS),
    output:
        pdf=f"{R}/figures/generator_matrix.pdf",
        png=report_figure("generator_matrix"),
        tsv=f"{R}/figures/generator_matrix.tsv",
    log:
        f"{LOGS}/figure_generator_matrix.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("generator_matrix", generator_matrix_origins),
    script:
        "../scripts/figure_generator_matrix.py"


rule figure_comparisons:
    """Differences between systems in pairs, on the same trials, and which are significant."""
    input:
        table=target(comparison_table, absent=NO_COMPARISONS),
    output:
        pdf=f"{R}/figures/comparisons.pdf",
        png=report_figure("comparisons"),
        tsv=f"{R}/figures/comparisons.tsv",
    log:
        f"{LOGS}/figure_comparisons.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("comparisons", comparison_origins),
    script:
        "../scripts/figure_comparisons.py"


rule figure_reliability:
    """Whether the probabilities of the systems are right, before and after calibration."""
    input:
        detectors=[
            calibration_file(system, seed)
            for system, seed in with_calibration("reliability")
        ],
        manifests=manifests_of(eval_sets()),
        scores=target(reliability_scores, absent=NO_RELIABILITY),
    output:
        pdf=f"{R}/figures/reliability.pdf",
        png=report_figure("reliability"),
        tsv=f"{R}/figures/reliability.tsv",
    log:
        f"{LOGS}/figure_reliability.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params(
            "reliability",
            reliability_origins,
            bins=STUDY.config.get("reliability", {}).get("bins", 15),
            chosen=chosen_systems("reliability"),
            prior=STUDY.config.get("reliability", {}).get("prior", 0.5),
            with_calibration=[system for system, _ in with_calibration("reliability")],
            **bootstrap_options(),
        ),
    script:
        "../scripts/figure_reliability.py"


rule figure_disagreements:
    """Scores of two systems against each other: where they agree, and which clips were exported."""
    input:
        disagreements=target(disagreements, absent=NO_DISAGREEMENTS),
        manifests=disagreement_manifests(),
        scores=disagreement_scores(),
    output:
        pdf=f"{R}/figures/disagreements.pdf",
        png=report_figure("disagreements"),
        tsv=f"{R}/figures/disagreements.tsv",
    log:
        f"{LOGS}/figure_disagreements.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params(
            "disagreements", disagreement_origins, entries=described_disagreements()
        ),
    script:
        "../scripts/figure_disagreements.py"


rule figure_attribution_examples:
    """Attribution over waveform and spectrogram for one utterance per system."""
    input:
        attributions=target(explained_files, absent=NO_ATTRIBUTION),
        manifest=attribution_table("manifests"),
        segments=attribution_table("segments"),
    output:
        pdf=f"{R}/figures/attribution_examples.pdf",
        png=report_figure("attribution_examples"),
        tsv=f"{R}/figures/attribution_examples.tsv",
    log:
        f"{LOGS}/figure_attribution_examples.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params(
            "attribution_examples", explain_origins, explained=explained_names()
        ),
    script:
        "../scripts/figure_attribution_examples.py"


rule figure_attribution_mean:
    """Mean attribution by frequency and time, for bona fide speech, spoofs and both."""
    input:
        maps=target(averaged_maps, absent=NO_AVERAGES),
    output:
        pdf=f"{R}/figures/attribution_mean.pdf",
        png=report_figure("attribution_mean"),
        tsv=f"{R}/figures/attribution_mean.tsv",
    log:
        f"{LOGS}/figure_attribution_mean.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params(
            "attribution_mean", average_origins, detectors=averaged_names()
        ),
    script:
        "../scripts/figure_attribution_mean.py"


rule figure_localisation:
    """How well each detector's attribution finds the planted segments, per system."""
    input:
        localisation=target(localisation_files, absent=NO_SEGMENTS),
    output:
        pdf=f"{R}/figures/localisation.pdf",
        png=report_figure("localisation"),
        tsv=f"{R}/figures/localisation.tsv",
    log:
        f"{LOGS}/figure_localisation.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("localisation", localise_origins, explained=explained_names()),
    script:
        "../scripts/figure_localisation.py"


rule figure_layer_weights:
    """Learned weights of the SSL layers, per detector and seed."""
    input:
        layers=target(layer_mixes, absent=NO_LAYERS),
    output:
        pdf=f"{R}/figures/layer_weights.pdf",
        png=report_figure("layer_weights"),
        tsv=f"{R}/figures/layer_weights.tsv",
    log:
        f"{LOGS}/figure_layer_weights.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("layer_weights", layers_origins, reading=ssl_described()),
    script:
        "../scripts/figure_layer_weights.py"


rule figure_layer_weight_map:
    """Learned weights of the SSL layers, mean over seeds, as a heat map on one scale."""
    input:
        layers=target(layer_mixes, absent=NO_LAYERS),
    output:
        pdf=f"{R}/figures/layer_weight_map.pdf",
        png=report_figure("layer_weight_map"),
        tsv=f"{R}/figures/layer_weight_map.tsv",
    log:
        f"{LOGS}/figure_layer_weight_map.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("layer_weight_map", layers_origins),
    script:
        "../scripts/figure_layer_weight_map.py"


rule figure_layer_depth:
    """EER against the number of transformer layers that are kept."""
    input:
        backbones=depth_backbones(),
        metrics=target(depth_metrics, absent=NO_CURVES),
    output:
        pdf=f"{R}/figures/layer_depth.pdf",
        png=report_figure("layer_depth"),
        tsv=f"{R}/figures/layer_depth.tsv",
    log:
        f"{LOGS}/figure_layer_depth.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("layer_depth", depth_origins, curves=depth_points()),
    script:
        "../scripts/figure_layer_depth.py"


rule figure_layer_probes:
    """EER of one linear probe per layer."""
    input:
        probes=target(probe_tables, absent=NO_PROBES),
    output:
        pdf=f"{R}/figures/layer_probes.pdf",
        png=report_figure("layer_probes"),
        tsv=f"{R}/figures/layer_probes.tsv",
    log:
        f"{LOGS}/figure_layer_probes.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("layer_probes", probe_origins, probes=probe_described()),
    script:
        "../scripts/figure_layer_probes.py"


rule figure_layer_probe_map:
    """EER of linear probes per layer and condition, as a heat map."""
    input:
        probes=target(probe_tables, absent=NO_PROBES),
    output:
        pdf=f"{R}/figures/layer_probe_map.pdf",
        png=report_figure("layer_probe_map"),
        tsv=f"{R}/figures/layer_probe_map.tsv",
    log:
        f"{LOGS}/figure_layer_probe_map.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("layer_probe_map", probe_origins, probes=probe_described()),
    script:
        "../scripts/figure_layer_probe_map.py"


rule figure_layer_pareto:
    """EER against measured parameters, latency and memory of SSL detectors."""
    input:
        costs=target(cost_tables, absent=NO_COSTS),
        metrics=measured_metrics(),
    output:
        pdf=f"{R}/figures/layer_pareto.pdf",
        png=report_figure("layer_pareto"),
        tsv=f"{R}/figures/layer_pareto.tsv",
    log:
        f"{LOGS}/figure_layer_pareto.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params(
            "layer_pareto",
            pareto_origins,
            curves=curve_members(),
            measured=measured_names(),
        ),
    script:
        "../scripts/figure_layer_pareto.py"


rule figure_fingerprint_means:
    """Mean spectrum of every generator over that of bona fide speech."""
    input:
        fingerprints=fingerprint_part("safetensors"),
    output:
        pdf=f"{R}/figures/fingerprint_means.pdf",
        png=report_figure("fingerprint_means"),
        tsv=f"{R}/figures/fingerprint_means.tsv",
    log:
        f"{LOGS}/figure_fingerprint_means.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("fingerprint_means", fingerprint_origins),
    script:
        "../scripts/figure_fingerprint_means.py"


rule figure_fingerprint_differences:
    """Differences of mean spectra to bona fide speech, and whether halves of the clips agree."""
    input:
        fingerprints=fingerprint_part("safetensors"),
        stability=fingerprint_part("stability.tsv"),
    output:
        pdf=f"{R}/figures/fingerprint_differences.pdf",
        png=report_figure("fingerprint_differences"),
        tsv=f"{R}/figures/fingerprint_differences.tsv",
    log:
        f"{LOGS}/figure_fingerprint_differences.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("fingerprint_differences", fingerprint_origins),
    script:
        "../scripts/figure_fingerprint_differences.py"


rule figure_artefact_correlations:
    """Correlation of signal measures with detector scores, with corrected significance."""
    input:
        correlations=target(correlation_files, absent=NO_ARTEFACTS),
    output:
        pdf=f"{R}/figures/artefact_correlations.pdf",
        png=report_figure("artefact_correlations"),
        tsv=f"{R}/figures/artefact_correlations.tsv",
    log:
        f"{LOGS}/figure_artefact_correlations.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params(
            "artefact_correlations", shown_correlation_origins, shown=True
        ),
    script:
        "../scripts/figure_artefact_correlations.py"


rule table_runs:
    """Which run id stands for which settings."""
    output:
        report_table("runs"),
    log:
        f"{LOGS}/table_runs.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_table_runs,
    script:
        "../scripts/table_runs.py"


rule table_headline:
    """The main metrics of every system on every scored set, with intervals and spread over seeds."""
    input:
        metrics=metrics(),
    output:
        report_table("headline"),
    log:
        f"{LOGS}/table_headline.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_table_headline,
    script:
        "../scripts/table_headline.py"


rule table_comparisons:
    """Paired bootstrap of the error rates of every two systems, with Holm's correction."""
    input:
        manifests=manifests_of(eval_sets()),
        scores=target(compared_scores, absent=NO_COMPARISONS),
    output:
        report_table("comparisons"),
    log:
        f"{LOGS}/table_comparisons.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_table_comparisons,
    script:
        "../scripts/table_comparisons.py"


rule table_breakdowns:
    """Macro average and worst level of every condition, per system and eval set."""
    input:
        metrics=target(broken_down, absent=NO_BREAKDOWNS),
    output:
        report_table("breakdowns"),
    log:
        f"{LOGS}/table_breakdowns.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_table_breakdowns,
    script:
        "../scripts/table_breakdowns.py"


rule table_generator_matrix:
    """Error rates of every detector on every generator, by what it was trained on."""
    input:
        manifests=generator_manifests(),
        scores=target(generator_scores, absent=NO_GENERATORS),
        thresholds=generator_thresholds(),
    output:
        matrix=report_table("generator_matrix"),
        seeds=f"{R}/tables/generator_matrix.seeds.tsv",
    log:
        f"{LOGS}/table_generator_matrix.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_table_generator_matrix,
    script:
        "../scripts/table_generator_matrix.py"


rule report:
    """One self-contained page: what was run, on what, every number and figure, and the caveats."""
    input:
        artefacts=[path for path in artefacts() if path.endswith(".rates.tsv")],
        averages=averaged_files("summary.tsv"),
        attributions=attribution_files("summary.tsv"),
        audits=audits(),
        checks=attribution_files("checks.tsv"),
        disagreements=disagreements(),
        figures=[path for path in figures() if path.endswith((".png", ".tsv"))],
        fingerprints=fingerprints(),
        localisation=localisation_files(),
        manifests=manifests(),
        metrics=metrics(),
        tables=tables(),
    output:
        report(
            f"{R}/report/index.html",
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
        cfg=params_report,
    script:
        "../scripts/report.py"
