# Inputs and parameters of the tables and figures that compare systems, and of exports.


def chosen_systems(section):
    """What is said about the systems that a section names, see `described_systems`."""
    described = {
        (system["id"], system["seed"]): system for system in described_systems()
    }
    return [described[chosen] for chosen in STUDY.chosen(section)]


def chosen_scorings(section):
    return [
        (system, seed, corpus, split)
        for system, seed in STUDY.chosen(section)
        for corpus, split in eval_sets_of(system)
    ]


def chosen_scores(section):
    return [
        f"{R}/scores/{system}/seed{seed}/{corpus}.{split}.tsv"
        for system, seed, corpus, split in chosen_scorings(section)
    ]


def chosen_origins(section):
    return [score_origin(*scoring) for scoring in chosen_scorings(section)]


def compared_scores():
    return chosen_scores("comparisons")


def comparison_table():
    return [f"{R}/tables/comparisons.tsv"] if compared_scores() else []


def reliability_scores():
    return chosen_scores("reliability")


def reliability_origins():
    return chosen_origins("reliability")


def with_calibration(section):
    """(system, seed) of the chosen detectors and fusions; of scores of others nothing is known."""
    folders = set(STUDY.detector_seeds())
    return [
        (system, seed)
        for system, seed in STUDY.chosen(section)
        if system in FUSIONS or (system, seed) in folders
    ]


def calibration_file(system, seed):
    if system in FUSIONS:
        return f"{R}/fusion/{system}.json"
    return f"{detector_folder(system, seed)}/detector.json"


def params_table_comparisons(wildcards):
    return with_code(
        "table_comparisons",
        origins=chosen_origins("comparisons"),
        systems=chosen_systems("comparisons"),
        **{
            **bootstrap_options(),
            "resamples": STUDY.config["comparisons"].get("resamples", 2000),
        },
        root=R,
    )


def comparison_origins():
    return [origin(params_table_comparisons)]


def conditions():
    return STUDY.config.get("conditions", [])


def broken_down():
    return eval_files("metrics") if conditions() else []


def params_table_breakdowns(wildcards):
    return with_code(
        "table_breakdowns",
        conditions=conditions(),
        origins=eval_metrics_origins(),
        systems=described_systems(),
    )


TABLES = {
    "runs": params_table_runs,
    "headline": params_table_headline,
    "comparisons": params_table_comparisons,
    "breakdowns": params_table_breakdowns,
}


def table_origins():
    return [origin(TABLES[name]) for name in table_names()]


def exported():
    """(system, seed, corpus, split) of every score file that is exported; of those that came from
    others there is nothing to hand in.
    """
    trials = STUDY.config.get("exports", {}).get("trials", [])
    sets = [(entry["corpus"], entry["split"]) for entry in trials]
    return [
        (system, seed, corpus, split)
        for system, seed in STUDY.chosen("exports")
        for corpus, split in STUDY.scored_by(system)
        if (corpus, split) in sets and system not in FOREIGN
    ]


def exports():
    return [
        f"{R}/exports/{system}/seed{seed}/{corpus}.{split}.tsv"
        for system, seed, corpus, split in exported()
    ]


def export_origins():
    return [
        origin(
            params_export_scores, system=system, seed=seed, corpus=corpus, split=split
        )
        for system, seed, corpus, split in exported()
    ]


def export_detector(wildcards):
    if not STUDY.config.get("exports", {}).get("calibrated", False):
        return []
    return metrics_detector(wildcards)


def params_export_scores(wildcards):
    return with_code(
        "export_scores",
        origins=[
            score_origin(
                wildcards.system, wildcards.seed, wildcards.corpus, wildcards.split
            )
        ],
        calibrated=STUDY.config["exports"].get("calibrated", False),
    )
