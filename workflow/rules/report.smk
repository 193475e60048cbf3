# Figures, tables and the report. One rule per figure; no torch in any of them.


def eval_sets():
    return [(corpus, split) for corpus, split in STUDY.scored() if split == "eval"]


def manifests_of(sets):
    return sorted({f"{R}/manifests/{corpus}.tsv" for corpus, _ in sets})


def eval_files(folder):
    return [
        f"{R}/{folder}/{system}/seed{seed}/{corpus}.{split}.tsv"
        for system, seed in STUDY.systems()
        for corpus, split in eval_sets()
    ]


def figure_outputs(name):
    return {suffix: f"{R}/figures/{name}.{suffix}" for suffix in ("pdf", "png", "tsv")}


def described_systems():
    """What figures say about every score-giving system: its id, seed, name and training data."""
    described = []
    for system, seed in STUDY.systems():
        if system in FUSIONS:
            name = FUSIONS[system]
            members = STUDY.config["fusion"][name]["detectors"]
            described.append(
                {
                    "id": system,
                    "seed": 0,
                    "name": name,
                    "kind": "fusion",
                    "trained_on": members,
                }
            )
            continue
        detector = STUDY.run(system).detector
        trained_on = [
            source["corpus"]
            + (f" ({', '.join(source['systems'])})" if "systems" in source else "")
            for source in STUDY.config["detectors"][detector]["train"]["data"]
        ]
        described.append(
            {
                "id": system,
                "seed": seed,
                "name": detector,
                "kind": "detector",
                "trained_on": trained_on,
            }
        )
    return described


def figure_params(name, **values):
    return with_code(
        f"figure_{name}",
        systems=described_systems(),
        sets=[*map(list, eval_sets())],
        root=R,
        **values,
    )


def report_figure(name):
    """Mark the PNG of a figure for `snakemake --report`."""
    return report(
        f"{R}/figures/{name}.png",
        caption=f"../report/{name}.rst",
        category="Figures",
        labels={"figure": name},
    )


def attribution_files(suffix):
    corpus = STUDY.config.get("attribution", {}).get("corpus")
    return [
        f"{R}/attributions/{run}/seed{seed}/{corpus}.{suffix}"
        for run, seed in attributed()
    ]


def attribution_table(folder):
    if not attributed():
        return []
    return f"{R}/{folder}/{STUDY.config['attribution']['corpus']}.tsv"


def correlation_files():
    return [path for path in artefacts() if path.endswith(".correlations.tsv")]


def explained_names():
    return [[run, seed, STUDY.run(run).detector] for run, seed in attributed()]


rule figure_det_curves:
    input:
        manifests=manifests_of(eval_sets()),
        scores=eval_files("scores"),
    output:
        pdf=f"{R}/figures/det_curves.pdf",
        png=report_figure("det_curves"),
        tsv=f"{R}/figures/det_curves.tsv",
    log:
        f"{LOGS}/figure_det_curves.log",
    """Detection error trade-off curves of every system on every eval set."""
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("det_curves"),
    script:
        "../scripts/figure_det_curves.py"


rule figure_score_histograms:
    input:
        detectors=[
            f"{detector_folder(run, seed)}/detector.json"
            for run, seed in STUDY.run_seeds()
        ],
        manifests=manifests_of(eval_sets()),
        scores=eval_files("scores"),
    output:
        pdf=f"{R}/figures/score_histograms.pdf",
        png=report_figure("score_histograms"),
        tsv=f"{R}/figures/score_histograms.tsv",
    log:
        f"{LOGS}/figure_score_histograms.log",
    """Score distributions of bona fide and spoof, with the decision threshold chosen on dev."""
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("score_histograms"),
    script:
        "../scripts/figure_score_histograms.py"


rule figure_eer_by_condition:
    input:
        metrics=eval_files("metrics"),
    output:
        pdf=f"{R}/figures/eer_by_condition.pdf",
        png=report_figure("eer_by_condition"),
        tsv=f"{R}/figures/eer_by_condition.tsv",
    log:
        f"{LOGS}/figure_eer_by_condition.log",
    """EER per condition with bootstrap intervals."""
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("eer_by_condition"),
    script:
        "../scripts/figure_eer_by_condition.py"


rule figure_train_test_matrix:
    input:
        metrics=eval_files("metrics"),
    output:
        pdf=f"{R}/figures/train_test_matrix.pdf",
        png=report_figure("train_test_matrix"),
        tsv=f"{R}/figures/train_test_matrix.tsv",
    log:
        f"{LOGS}/figure_train_test_matrix.log",
    """EER of every detector, by what it was trained on, on every spoofing system."""
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("train_test_matrix"),
    script:
        "../scripts/figure_train_test_matrix.py"


rule figure_attribution_examples:
    input:
        attributions=attribution_files("safetensors"),
        manifest=attribution_table("manifests"),
        segments=attribution_table("segments"),
    output:
        pdf=f"{R}/figures/attribution_examples.pdf",
        png=report_figure("attribution_examples"),
        tsv=f"{R}/figures/attribution_examples.tsv",
    log:
        f"{LOGS}/figure_attribution_examples.log",
    """Attribution over waveform and spectrogram for one utterance per system."""
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("attribution_examples", explained=explained_names()),
    script:
        "../scripts/figure_attribution_examples.py"


rule figure_localisation:
    input:
        localisation=attribution_files("localisation.tsv"),
    output:
        pdf=f"{R}/figures/localisation.pdf",
        png=report_figure("localisation"),
        tsv=f"{R}/figures/localisation.tsv",
    log:
        f"{LOGS}/figure_localisation.log",
    """How well each detector's attribution finds the planted segments, per system."""
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("localisation", explained=explained_names()),
    script:
        "../scripts/figure_localisation.py"


rule figure_layer_weights:
    input:
        layers=[f"{R}/layers/{run}/seed{seed}.tsv" for run, seed in layered()],
    output:
        pdf=f"{R}/figures/layer_weights.pdf",
        png=report_figure("layer_weights"),
        tsv=f"{R}/figures/layer_weights.tsv",
    log:
        f"{LOGS}/figure_layer_weights.log",
    """Learned weights of the SSL layers, per detector and seed."""
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("layer_weights"),
    script:
        "../scripts/figure_layer_weights.py"


rule figure_artefact_correlations:
    input:
        correlations=correlation_files(),
    output:
        pdf=f"{R}/figures/artefact_correlations.pdf",
        png=report_figure("artefact_correlations"),
        tsv=f"{R}/figures/artefact_correlations.tsv",
    log:
        f"{LOGS}/figure_artefact_correlations.log",
    """Correlation of signal measures with detector scores, with corrected significance."""
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=figure_params("artefact_correlations"),
    script:
        "../scripts/figure_artefact_correlations.py"


rule table_runs:
    output:
        f"{R}/tables/runs.tsv",
    log:
        f"{LOGS}/table_runs.log",
    """Which run id stands for which settings."""
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=with_code(
            "table_runs",
            runs=[
                {
                    "run": run.id,
                    "detector": run.detector,
                    "seeds": list(run.seeds),
                    "settings": run.settings,
                }
                for run in STUDY.runs.values()
            ],
        ),
    script:
        "../scripts/table_runs.py"


rule table_headline:
    input:
        metrics=metrics(),
    output:
        report(
            f"{R}/tables/headline.tsv",
            caption="../report/headline.rst",
            category="Tables",
            labels={"table": "headline"},
        ),
    log:
        f"{LOGS}/table_headline.log",
    """The main metrics of every system on every scored set, with intervals and spread over seeds."""
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=with_code("table_headline", systems=described_systems()),
    script:
        "../scripts/table_headline.py"


rule report:
    input:
        artefacts=[path for path in artefacts() if path.endswith(".rates.tsv")],
        attributions=attribution_files("summary.tsv"),
        audits=audits(),
        figures=[path for path in figures() if path.endswith((".png", ".tsv"))],
        localisation=attribution_files("localisation.tsv"),
        manifests=[
            f"{R}/manifests/{name}.tsv" for name in [*STUDY.corpora, *STUDY.copies]
        ],
        metrics=metrics(),
        tables=tables(),
    output:
        f"{R}/report/index.html",
    log:
        f"{LOGS}/report.log",
    """One self-contained page: what was run, on what, every number and figure, and the caveats."""
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=with_code(
            "report",
            config=STUDY.config,
            figures=figure_names(),
            root=R,
            systems=described_systems(),
        ),
    script:
        "../scripts/report.py"
