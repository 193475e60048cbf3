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
    archives = ARCHIVES[wildcards.archives]
    return with_code(
        "unpack",
        origins=[origin(params_download, sha256=entry["sha256"]) for entry in archives],
        archives=archives,
    )


def params_generate_corpus(wildcards):
    # Clips that are others than the manifest has read are made again.
    changed = {
        "recordings": text
        for corpus, entry in STUDY.corpora.items()
        if entry["type"] == "mini"
        and hash8(STUDY.generated(entry)) == wildcards.generated
        if (text := made_recordings(corpus)) is not None
    }
    return with_code("generate_corpus", **GENERATED[wildcards.generated], **changed)


def corpus_files(wildcards):
    from spoofscope.corpora.registry import label_files

    entry = STUDY.corpora[wildcards.corpus]
    if "path" in entry:
        return [str(path) for path in label_files(entry, entry["path"])]
    return STUDY.corpus_marker(wildcards.corpus)


def data_origins(corpus):
    entry = STUDY.corpora[corpus]
    if entry["type"] == "mini":
        return [origin(params_generate_corpus, generated=hash8(STUDY.generated(entry)))]
    if "archives" in entry:
        return [origin(params_unpack, archives=hash8(entry["archives"]))]
    return []


def table_origin(corpus):
    """The origin of the manifest and the segments of a corpus or an augmented copy."""
    if corpus in STUDY.copies:
        return origin(params_augment, augmented=corpus)
    return origin(params_manifest, corpus=corpus)


def params_manifest(wildcards):
    entry = STUDY.corpora[wildcards.corpus]
    outside = {}
    # A generated corpus is what its job writes.
    if entry["type"] != "mini":
        outside["recordings"] = corpus_recordings(wildcards.corpus)
    if "path" in entry:
        outside["labels"] = OUTSIDE.files(corpus_files(wildcards))
    return with_code(
        "manifest",
        corpus_modules(wildcards.corpus),
        origins=data_origins(wildcards.corpus),
        corpus=wildcards.corpus,
        settings=entry,
        root=STUDY.corpus_root(wildcards.corpus),
        seed=STUDY.seed,
        **outside,
    )


def params_audit(wildcards):
    return with_code(
        "audit_corpus",
        corpus_modules(wildcards.corpus),
        origins=[table_origin(wildcards.corpus)],
        corpus=wildcards.corpus,
        settings=STUDY.corpora[wildcards.corpus],
        root=STUDY.corpus_root(wildcards.corpus),
        seed=STUDY.seed,
    )


# Said before any job starts, and by dry runs, which need none of it.
if workflow.is_main_process:
    from spoofscope.columns import check_columns
    from spoofscope.needs import as_text, missing

    try:
        check_columns(STUDY)
    except ConfigError as error:
        refused(located(error, workflow.configfiles))
    if absent := missing(STUDY):
        logger.warning(
            f"Study {STUDY.name} needs what is not there yet:\n{as_text(absent)}\n"
        )
