# Corpora: download or generate, one manifest each, and an audit.


rule download:
    """Fetch one archive of a corpus and check its SHA-256."""
    output:
        f"{STUDY.data_root}/downloads/{{sha256}}.archive",
    log:
        f"{LOGS}/download/{{sha256}}.log",
    wildcard_constraints:
        sha256="[0-9a-f]{64}",
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        runtime=720,
    params:
        cfg=params_download,
    script:
        "../scripts/download.py"


rule unpack:
    """Unpack the archives of a corpus into one folder."""
    input:
        archive_files,
    output:
        f"{STUDY.data_root}/unpacked/{{archives}}.json",
    log:
        f"{LOGS}/unpack/{{archives}}.log",
    wildcard_constraints:
        archives=one_of(ARCHIVES),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=params_unpack,
    script:
        "../scripts/unpack.py"


rule generate_corpus:
    """Synthesise the mini corpus: talkers, spoofing systems, planted cues."""
    output:
        protocol=f"{STUDY.data_root}/mini/{{generated}}/protocol.tsv",
        segments=f"{STUDY.data_root}/mini/{{generated}}/segments.tsv",
        systems=f"{STUDY.data_root}/mini/{{generated}}/systems.tsv",
    log:
        f"{LOGS}/generate_corpus/{{generated}}.log",
    wildcard_constraints:
        generated=one_of(GENERATED),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=growing(4000),
        runtime=120,
    params:
        cfg=params_generate_corpus,
    script:
        "../scripts/generate_corpus.py"


rule manifest:
    """One table per corpus: every utterance with its label, system, split and conditions."""
    input:
        corpus_files,
    output:
        manifest=f"{R}/manifests/{{corpus}}.tsv",
        segments=f"{R}/segments/{{corpus}}.tsv",
        problems=f"{R}/manifests/{{corpus}}.problems.tsv",
        recordings=f"{RECORDINGS}/{{corpus}}.json",
    log:
        f"{LOGS}/manifest/{{corpus}}.log",
    wildcard_constraints:
        corpus=one_of(STUDY.corpora),
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=growing(8000),
        runtime=120,
    params:
        cfg=params_manifest,
    script:
        "../scripts/manifest.py"


rule audit_corpus:
    """Counts, duplicates, speaker leakage, and how far trivial cues alone separate the classes."""
    input:
        manifest=f"{R}/manifests/{{corpus}}.tsv",
        problems=f"{R}/manifests/{{corpus}}.problems.tsv",
    output:
        table=f"{R}/audits/{{corpus}}.tsv",
        page=report(
            f"{R}/audits/{{corpus}}.html",
            caption="../report/audit.rst",
            category="Audits",
            labels={"corpus": "{corpus}"},
        ),
    log:
        f"{LOGS}/audit_corpus/{{corpus}}.log",
    wildcard_constraints:
        corpus=one_of(STUDY.corpora),
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=growing(8000),
        runtime=240,
    params:
        cfg=params_audit,
    script:
        "../scripts/audit_corpus.py"
