# Inputs, parameters and targets of the rules in rules/fingerprints.smk.


def fingerprint_part(part):
    """Input function of one of `fingerprint_parts`."""
    return target(
        lambda: [path for key, path in fingerprint_parts().items() if key == part],
        absent=NO_FINGERPRINTS,
    )


def params_measure_fingerprints(wildcards):
    entry = STUDY.config["fingerprints"]
    not_options = ("corpus", "halves", "permutations", "sound_seconds")
    return with_code(
        "measure_fingerprints",
        origins=[table_origin(wildcards.corpus)],
        options={key: value for key, value in entry.items() if key not in not_options},
        halves=entry.get("halves", 100),
        permutations=entry.get("permutations", 499),
        seed=STUDY.seed,
    )


def params_fingerprint_audio(wildcards):
    return with_code(
        "fingerprint_audio",
        origins=fingerprint_origins(),
        folder=f"{R}/fingerprints/{wildcards.corpus}",
        seconds=STUDY.config["fingerprints"].get("sound_seconds", 3.0),
        seed=STUDY.seed,
    )


def params_nearest_fingerprints(wildcards):
    run, seed = wildcards.run, wildcards.seed
    return with_code(
        "nearest_fingerprints",
        component_modules(STUDY.run(run).settings),
        origins=[detector_origin(run, seed), table_origin(wildcards.corpus)],
        folder=detector_folder(run, seed),
        split=wildcards.split,
    )


def fingerprint_origins():
    corpus = STUDY.config["fingerprints"]["corpus"]
    return [origin(params_measure_fingerprints, corpus=corpus)]


def fingerprint_result_origins():
    """Of all that the report and the research object show."""
    made = [
        origin(
            params_nearest_fingerprints, run=run, seed=seed, corpus=corpus, split=split
        )
        for run, seed, corpus, split in nearest_tests()
    ]
    if "fingerprints" in STUDY.config:
        corpus = STUDY.config["fingerprints"]["corpus"]
        made.append(origin(params_fingerprint_audio, corpus=corpus))
    return made


def described_nearest():
    """What the report says about every test of the nearest fingerprint."""
    return [
        {
            "detector": STUDY.run(run).detector,
            "corpus": corpus,
            "split": split,
            "path": f"{R}/fingerprints/{run}/seed{seed}/{corpus}.{split}.confusion.tsv",
        }
        for run, seed, corpus, split in nearest_tests()
    ]
