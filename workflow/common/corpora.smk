# Inputs, parameters and targets of the rules in rules/corpora.smk.


ARCHIVES = {
    hash8(entry["archives"]): entry["archives"]
    for entry in STUDY.corpora.values()
    if "archives" in entry
}
GENERATED = {
    hash8(STUDY.generated(entry)): STUDY.generated(entry)
    for entry in STUDY.corpora.values()
    if entry["type"] == "mini"
}


def archive_of(sha256):
    return next(
        archive
        for archives in ARCHIVES.values()
        for archive in archives
        if archive["sha256"] == sha256
    )


def archive_files(wildcards):
    return [
        f"{STUDY.data_root}/downloads/{archive['sha256']}.archive"
        for archive in ARCHIVES[wildcards.archives]
    ]


def params_download(wildcards):
    return with_code("download", archive=archive_of(wildcards.sha256))


def params_unpack(wildcards):
    return with_code("unpack", archives=ARCHIVES[wildcards.archives])


def params_generate_corpus(wildcards):
    return with_code("generate_corpus", **GENERATED[wildcards.generated])


def corpus_files(wildcards):
    entry = STUDY.corpora[wildcards.corpus]
    if entry["type"] == "table" and "path" in entry:
        return [f"{entry['path']}/{entry['file']}"]
    return STUDY.corpus_marker(wildcards.corpus)


def params_manifest(wildcards):
    entry = STUDY.corpora[wildcards.corpus]
    return with_code(
        "manifest",
        corpus_modules(wildcards.corpus),
        corpus=wildcards.corpus,
        settings=entry,
        root=STUDY.corpus_root(wildcards.corpus),
        seed=STUDY.seed,
    )


def params_audit(wildcards):
    return with_code(
        "audit_corpus",
        corpus_modules(wildcards.corpus),
        corpus=wildcards.corpus,
        settings=STUDY.corpora[wildcards.corpus],
        root=STUDY.corpus_root(wildcards.corpus),
        seed=STUDY.seed,
    )
