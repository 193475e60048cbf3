# Inputs, parameters and targets of the rules in rules/disagreements.smk.


DISAGREEMENTS = STUDY.disagreements()
CLIPS, SECONDS = 10, 10.0


wildcard_constraints:
    disagreement=one_of(DISAGREEMENTS),


def entry_of(wildcards):
    return DISAGREEMENTS[wildcards.disagreement]


def judged_manifests(wildcards):
    """Of what is judged, and of what thresholds are chosen on; one where these are the same."""
    entry = entry_of(wildcards)
    corpora = dict.fromkeys([entry["corpus"], entry.get("threshold", entry)["corpus"]])
    return [f"{R}/manifests/{corpus}.tsv" for corpus in corpora]


def judged_scores(role):
    """Input function of the scores of the system that has to be right, or of the other."""

    def given(wildcards):
        entry = entry_of(wildcards)
        system, seed, _ = entry[role]
        return f"{R}/scores/{system}/seed{seed}/{entry['corpus']}.{entry['split']}.tsv"

    return given


def judged_threshold(role):
    """Input function of what knows the threshold: a detector, a fusion, or dev scores."""

    def given(wildcards):
        entry = entry_of(wildcards)
        system, seed, _ = entry[role]
        if "threshold" in entry:
            chosen_on = entry["threshold"]
            stem = f"{chosen_on['corpus']}.{chosen_on['split']}"
            return f"{R}/scores/{system}/seed{seed}/{stem}.tsv"
        if system in FUSIONS:
            return f"{R}/fusion/{system}.json"
        return f"{detector_folder(system, seed)}/detector.json"

    return given


def params_find_disagreements(wildcards):
    entry = entry_of(wildcards)
    sets = [(entry["corpus"], entry["split"])]
    if "threshold" in entry:
        sets.append((entry["threshold"]["corpus"], entry["threshold"]["split"]))
    return with_code(
        "find_disagreements",
        origins=[
            score_origin(*entry[role][:2], *scored)
            for role in ("right", "wrong")
            for scored in sets
        ],
        name=wildcards.disagreement,
        split=entry["split"],
        threshold=entry.get("threshold"),
        clips=entry.get("clips", CLIPS),
        seconds=entry.get("seconds", SECONDS),
        folder=f"{R}/disagreements/{wildcards.disagreement}",
        cluster=bootstrap_options()["cluster"],
        seed=STUDY.seed,
    )


def disagreement_origins():
    return [
        origin(params_find_disagreements, disagreement=name) for name in DISAGREEMENTS
    ]


def described_disagreements():
    """What the figure and the report say about every entry."""
    return [{"name": name, **entry} for name, entry in DISAGREEMENTS.items()]


def disagreement_scores():
    return sorted(
        {
            judged_scores(role)(SimpleNamespace(disagreement=name))
            for name in DISAGREEMENTS
            for role in ("right", "wrong")
        }
    )


def disagreement_manifests():
    return manifests_of(
        [(entry["corpus"], entry["split"]) for entry in DISAGREEMENTS.values()]
    )
