# Corpora: download or generate, and one manifest each.


rule download:
    """Fetch one archive of a corpus and check its checksum."""
    output:
        LAYOUT.archive("{checksum}"),
    log:
        f"{LOGS}/download/{{checksum}}.log",
    wildcard_constraints:
        checksum="[0-9a-f]{32}|[0-9a-f]{64}",
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        runtime=720,
    params:
        cfg=PLAN.corpora.download.params,
    script:
        "../scripts/download.py"


rule unpack:
    """Unpack the archives of a corpus, or of noise, into one folder."""
    input:
        unpack(PLAN.corpora.unpack.inputs),
    output:
        LAYOUT.unpacked_list("{archives}"),
    log:
        f"{LOGS}/unpack/{{archives}}.log",
    wildcard_constraints:
        archives=one_of(PLAN.corpora.archives),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        cfg=PLAN.corpora.unpack.params,
    script:
        "../scripts/unpack.py"


rule generate_corpus:
    """Synthesise the mini corpus: talkers, attacks, planted cues."""
    output:
        protocol=LAYOUT.generated_file("{generated}", "protocol.tsv"),
        segments=LAYOUT.generated_file("{generated}", "segments.tsv"),
        attacks=LAYOUT.generated_file("{generated}", "attacks.tsv"),
    log:
        f"{LOGS}/generate_corpus/{{generated}}.log",
    wildcard_constraints:
        generated=one_of(PLAN.corpora.generated),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=growing(4000),
        runtime=120,
    params:
        cfg=PLAN.corpora.generate_corpus.params,
    script:
        "../scripts/generate_corpus.py"


rule speak_corpus:
    """Have synthesizers speak sentences beside human recordings, and level both."""
    input:
        unpack(PLAN.corpora.speak_corpus.inputs),
    output:
        protocol=LAYOUT.spoken_file("{spoken}", "protocol.tsv"),
        segments=LAYOUT.spoken_file("{spoken}", "segments.tsv"),
        attacks=LAYOUT.spoken_file("{spoken}", "attacks.tsv"),
    log:
        f"{LOGS}/speak_corpus/{{spoken}}.log",
    wildcard_constraints:
        spoken=one_of(PLAN.corpora.spoken),
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=240,
    params:
        cfg=PLAN.corpora.speak_corpus.params,
    script:
        "../scripts/speak_corpus.py"


rule manifest:
    """List every utterance of a corpus with its label, attack, split and conditions."""
    input:
        unpack(PLAN.corpora.manifest.inputs),
    output:
        manifest=LAYOUT.manifest("{corpus}"),
        segments=LAYOUT.segments("{corpus}"),
        problems=LAYOUT.problems("{corpus}"),
        recordings=LAYOUT.recordings("{corpus}"),
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
        cfg=PLAN.corpora.manifest.params,
    script:
        "../scripts/manifest.py"
