# Inputs and parameters of the table and the figure that hold detectors against generators.
from pathlib import Path

from spoofscope.study import MOST_SHOWN


def generator_names():
    """Names of the detectors and fusions that are held against generators."""
    if "generators" not in STUDY.config:
        return []
    everything = [*STUDY.config["detectors"], *STUDY.config.get("fusion", {})]
    return STUDY.config["generators"].get("systems", everything)


def data_of(corpus):
    """Which audio a corpus or a copy of it holds: corpora of the same data share generators."""
    if corpus in STUDY.copies:
        return data_of(STUDY.copies[corpus]["corpus"])
    return str(Path(STUDY.corpus_root(corpus)))


def generator_sources(sources):
    chosen = ("systems", "exclude_systems")
    return [
        {
            "manifest": f"{R}/manifests/{source['corpus']}.tsv",
            "data": data_of(source["corpus"]),
            **{key: source[key] for key in chosen if key in source},
        }
        for source in sources
    ]


def trained_sources(name, kind):
    """What a detector was trained or selected on, of a fusion what its members were; None where that
    is not known.
    """
    fusions = STUDY.config.get("fusion", {})
    found = []
    for member in fusions[name]["detectors"] if name in fusions else [name]:
        if STUDY.run_of(member).kind != "detector":
            return None
        sources = (
            STUDY.train_sources(member)
            if kind == "train"
            else STUDY.dev_sources(member)
        )
        found += generator_sources(sources)
    if name in fusions and fusions[name]["fit"]["split"] == kind:
        found += generator_sources([{"corpus": fusions[name]["fit"]["corpus"]}])
    return found


def generator_families():
    """Name to the name that it shares with those that differ from it in nothing but their data."""
    families = {}
    for name in generator_names():
        key = name
        if name in STUDY.config["detectors"]:
            run = STUDY.run_of(name)
            if run.kind == "detector":
                data = ("data", "dev")
                key = hash8({k: v for k, v in run.settings.items() if k not in data})
        families.setdefault(key, []).append(name)
    named = {}
    for names in families.values():
        shared = family_name(names)
        if shared in named.values():
            shared = names[0]
        named |= dict.fromkeys(names, shared)
    return named


def generator_systems():
    """(name, id, seed) of everything that is held against generators, all seeds."""
    ids = {STUDY.run_of(name).id: name for name in STUDY.config["detectors"]} | FUSIONS
    names = generator_names()
    return [
        (ids[system], system, seed)
        for system, seed in STUDY.systems()
        if ids[system] in names
    ]


def generator_sets():
    return [
        (entry["corpus"], entry["split"])
        for entry in STUDY.config.get("generators", {}).get("trials", [])
    ]


def generator_scorings():
    return [
        (system, seed, corpus, split)
        for _, system, seed in generator_systems()
        for corpus, split in generator_sets()
        if (corpus, split) in STUDY.scored_by(system)
    ]


def generator_scores():
    return [
        f"{R}/scores/{system}/seed{seed}/{corpus}.{split}.tsv"
        for system, seed, corpus, split in generator_scorings()
    ]


def chosen_on():
    """The trials that thresholds are chosen on; None where each system has its own."""
    return STUDY.config.get("generators", {}).get("threshold")


def generator_threshold(system, seed):
    """What knows a system's threshold: its own file, its scores of other trials, or nothing."""
    if chosen_on():
        stem = f"{chosen_on()['corpus']}.{chosen_on()['split']}"
        return f"{R}/scores/{system}/seed{seed}/{stem}.tsv"
    return metrics_detector(SimpleNamespace(system=system, seed=seed)) or None


def generator_thresholds():
    paths = [
        generator_threshold(system, seed) for _, system, seed in generator_systems()
    ]
    return list(dict.fromkeys(filter(None, paths)))


def threshold_origins():
    if not chosen_on():
        return []
    return [
        score_origin(system, seed, chosen_on()["corpus"], chosen_on()["split"])
        for _, system, seed in generator_systems()
    ]


def generator_training():
    """Every corpus that one of the systems was trained or selected on."""
    sources = [
        trained_sources(name, kind) or []
        for name in generator_names()
        for kind in ("train", "dev")
    ]
    return {source["manifest"] for found in sources for source in found}


def generator_manifests():
    sets = generator_sets()
    if chosen_on():
        sets.append((chosen_on()["corpus"], chosen_on()["split"]))
    return sorted(generator_training() | set(manifests_of(sets)))


def described_generators():
    """What the table has to know about every system."""
    families = generator_families()
    described = {}
    for name, system, seed in generator_systems():
        entry = described.setdefault(
            name,
            {
                "name": name,
                "family": families[name],
                "train": trained_sources(name, "train"),
                "dev": trained_sources(name, "dev"),
                "seeds": [],
            },
        )
        own = SimpleNamespace(system=system, seed=seed)
        entry["seeds"].append(
            {
                "seed": seed,
                "threshold": generator_threshold(system, seed),
                "scores": {
                    f"{corpus}.{split}": f"{R}/scores/{system}/seed{seed}/{corpus}.{split}.tsv"
                    for corpus, split in generator_sets()
                    if (corpus, split) in STUDY.scored_by(system)
                },
            }
        )
    return list(described.values())


def params_table_generator_matrix(wildcards):
    corpora = {Path(path).stem for path in generator_manifests()}
    return with_code(
        "table_generator_matrix",
        origins=[
            *(score_origin(*scoring) for scoring in generator_scorings()),
            *threshold_origins(),
            *(table_origin(corpus) for corpus in corpora),
        ],
        systems=described_generators(),
        sets=[
            {
                "corpus": entry["corpus"],
                "split": entry["split"],
                "match": entry.get("match"),
                "manifest": f"{R}/manifests/{entry['corpus']}.tsv",
                "data": data_of(entry["corpus"]),
            }
            for entry in STUDY.config["generators"]["trials"]
        ],
        bootstrap=bootstrap_options(),
        threshold=chosen_on()
        and {
            "manifest": f"{R}/manifests/{chosen_on()['corpus']}.tsv",
            "split": chosen_on()["split"],
        },
    )


def generator_matrix():
    """The table that the figure draws; none where it has more rows than a figure can show."""
    drawn = 0 < len(generator_names()) <= MOST_SHOWN
    return [f"{R}/tables/generator_matrix.tsv"] if drawn else []


def generator_matrix_origins():
    return [origin(params_table_generator_matrix)]


TABLES["generator_matrix"] = params_table_generator_matrix
