# Inputs, parameters and targets of the rules in rules/report.smk.


def eval_sets():
    return [(corpus, split) for corpus, split in STUDY.scored() if split == "eval"]


def manifests_of(sets):
    return sorted({f"{R}/manifests/{corpus}.tsv" for corpus, _ in sets})


def eval_scorings():
    return [scoring for scoring in STUDY.scorings() if scoring[-1] == "eval"]


def eval_files(folder):
    return [
        f"{R}/{folder}/{system}/seed{seed}/{corpus}.{split}.tsv"
        for system, seed, corpus, split in eval_scorings()
    ]


def figure_outputs(name):
    return {suffix: f"{R}/figures/{name}.{suffix}" for suffix in ("pdf", "png", "tsv")}


def shown_scorings():
    shown = set(STUDY.shown())
    return [scoring for scoring in eval_scorings() if scoring[:2] in shown]


def shown_files(folder):
    """Input function of the eval files of all systems that figures show."""
    return target(
        lambda: [
            f"{R}/{folder}/{system}/seed{seed}/{corpus}.{split}.tsv"
            for system, seed, corpus, split in shown_scorings()
        ],
        absent=NO_SHOWN,
    )


def shown_sets():
    return list(dict.fromkeys(scoring[2:] for scoring in shown_scorings()))


def shown_thresholds():
    """The files with the decision thresholds of the systems that figures show."""
    return [
        (
            f"{R}/fusion/{system}.json"
            if system in FUSIONS
            else f"{detector_folder(system, seed)}/detector.json"
        )
        for system, seed in STUDY.shown()
        if system in FUSIONS or (system, seed) in STUDY.detector_seeds()
    ]


def eval_sets_of(system):
    return [list(pair) for pair in STUDY.scored_by(system) if pair[1] == "eval"]


def described_systems():
    """What figures say about every score-giving system: its id, seed, name, training data, and the
    eval sets that it is scored on.
    """
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
                    "sets": eval_sets_of(system),
                }
            )
            continue
        run = STUDY.run(system)
        described.append(
            {
                "id": system,
                "seed": seed,
                "name": run.detector,
                "kind": run.kind,
                "trained_on": STUDY.trained_on(run.detector),
                "sets": eval_sets_of(system),
            }
        )
    return described


def shown_score_origins():
    return [score_origin(*scoring) for scoring in shown_scorings()]


def metrics_origins(scorings):
    return [
        origin(
            params_compute_metrics, system=system, seed=seed, corpus=corpus, split=split
        )
        for system, seed, corpus, split in scorings
    ]


def shown_metrics_origins():
    return metrics_origins(shown_scorings())


def eval_metrics_origins():
    return metrics_origins(eval_scorings())


def explain_origins():
    corpus = STUDY.config.get("attribution", {}).get("corpus")
    return [explain_origin(run, seed, corpus) for run, seed in attributed()]


def localise_origins():
    corpus = STUDY.config.get("attribution", {}).get("corpus")
    return [
        origin(params_localise, run=run, seed=seed, corpus=corpus)
        for run, seed in attributed()
    ]


def check_origins():
    corpus = STUDY.config.get("attribution", {}).get("corpus")
    return [
        origin(params_check_explanations, run=run, seed=seed, corpus=corpus)
        for run, seed in attributed()
    ]


def layers_origins():
    return [origin(params_layer_weights, run=run, seed=seed) for run, seed in layered()]


def correlation_origins(correlations):
    return [
        origin(
            params_correlate_artefacts, run=run, seed=seed, corpus=corpus, split=split
        )
        for run, seed, corpus, split in correlations
    ]


def shown_correlation_origins():
    return correlation_origins(shown_correlations())


def result_origins():
    """The origins of all that the report and the research object are made from."""
    return [
        *(origin(params_audit, corpus=corpus) for corpus in STUDY.corpora),
        *metrics_origins(STUDY.scorings()),
        *check_origins(),
        *(localise_origins() if localised() else []),
        *average_origins(),
        *disagreement_origins(),
        *layers_origins(),
        *probe_origins(),
        *(origin(params_layer_costs) for _ in cost_tables()),
        *fingerprint_result_origins(),
        *correlation_origins(correlated()),
        *(
            origin(params_rate_artefacts, corpus=corpus, split=split)
            for corpus, split in artefact_sets()
        ),
        *(origin(FIGURES[name]) for name in figure_names()),
        *table_origins(),
    ]


# Name of a figure to the function that gives its rule's parameter.
FIGURES = {}


def figure_params(name, origins, shown=False, **values):
    """A figure's parameter; `origins` gives the origins of what it is made from.

    Where it is about the systems that are `shown`, it is told of no others.
    """

    def params(wildcards):
        systems = described_systems()
        if shown:
            pairs = set(STUDY.shown())
            systems = [s for s in systems if (s["id"], s["seed"]) in pairs]
        return with_code(
            f"figure_{name}",
            origins=origins(),
            systems=systems,
            sets=[*map(list, shown_sets() if shown else eval_sets())],
            root=R,
            **values,
        )

    FIGURES[name] = params
    return params


def source_of(run):
    """Where a run comes from, for people."""
    entry = STUDY.config["detectors"][run.detector]
    if run.kind == "adopted":
        return f"adopted from {entry['folder']}"
    if run.kind == "foreign":
        paths = dict.fromkeys(scores["path"] for scores in entry["scores"])
        return f"scores of {', '.join(paths)}"
    return "trained"


def described_runs():
    """What tables and the report say about every run."""
    return [
        {
            "run": run.id,
            "detector": run.detector,
            "seeds": list(run.seeds),
            "source": source_of(run),
            "settings": run.settings,
        }
        for run in STUDY.runs.values()
    ]


def params_table_runs(wildcards):
    return with_code("table_runs", runs=described_runs())


def params_table_headline(wildcards):
    return with_code(
        "table_headline",
        origins=metrics_origins(STUDY.scorings()),
        systems=described_systems(),
    )


def operating_points_chosen_on():
    """Name of every detector and fusion whose threshold this study chooses, to the data for it."""
    chosen = {}
    for name in STUDY.config["detectors"]:
        if STUDY.run_of(name).kind == "detector":
            chosen[name] = [
                {"split": "dev", **source} for source in STUDY.dev_sources(name)
            ]
    for name, entry in STUDY.config.get("fusion", {}).items():
        chosen[name] = [dict(entry["fit"])]
    return chosen


def params_report(wildcards):
    return with_code(
        "report",
        origins=result_origins(),
        templates=["report.html.j2"],
        config=STUDY.config,
        figures=figure_names(),
        grids=list(STUDY.grids),
        root=R,
        systems=described_systems(),
        runs=described_runs(),
        disagreements=described_disagreements(),
        fingerprints={"parts": fingerprint_parts(), "nearest": described_nearest()},
        dev=operating_points_chosen_on(),
        cluster=bootstrap_options()["cluster"],
    )


def report_figure(name):
    """Mark the PNG of a figure for `snakemake --report`."""
    return report(
        f"{R}/figures/{name}.png",
        caption=f"../report/{name}.rst",
        category="Figures",
        labels={"figure": name.replace("_", " ")},
    )


def report_table(name):
    """Mark a table for `snakemake --report`."""
    return report(
        f"{R}/tables/{name}.tsv",
        caption=f"../report/{name}.rst",
        category="Tables",
        labels={"table": name},
    )


def attribution_files(suffix):
    corpus = STUDY.config.get("attribution", {}).get("corpus")
    return [
        f"{R}/attributions/{run}/seed{seed}/{corpus}.{suffix}"
        for run, seed in attributed()
    ]


def explained_files():
    return attribution_files("safetensors")


def localisation_files():
    return attribution_files("localisation.tsv") if localised() else []


def attribution_table(folder):
    if not attributed():
        return []
    return f"{R}/{folder}/{STUDY.config['attribution']['corpus']}.tsv"


def correlation_files():
    return [
        f"{R}/artefacts/{run}/seed{seed}/{corpus}.{split}.correlations.tsv"
        for run, seed, corpus, split in shown_correlations()
    ]


def explained_names():
    return [[run, seed, STUDY.run(run).detector] for run, seed in attributed()]
