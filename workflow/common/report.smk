# Inputs, parameters and targets of the rules in rules/report.smk.


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
    def params(wildcards):
        return with_code(
            f"figure_{name}",
            systems=described_systems(),
            sets=[*map(list, eval_sets())],
            root=R,
            **values,
        )

    return params


def params_table_runs(wildcards):
    return with_code(
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
    )


def params_table_headline(wildcards):
    return with_code("table_headline", systems=described_systems())


def params_report(wildcards):
    return with_code(
        "report",
        templates=["report.html.j2"],
        config=STUDY.config,
        figures=figure_names(),
        root=R,
        systems=described_systems(),
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
