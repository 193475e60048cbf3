# Whether what the study reads and does not make is still what the results were made from.
from snakemake.logging import logger
from spoofscope.outside import Outside

OUTSIDE = Outside(workflow.is_main_process, logger.warning)
RECORDINGS = f"{R}/provenance/recordings"


def corpus_recordings(corpus):
    """A text that changes with the recordings of a corpus that lies outside."""
    from spoofscope.corpora.manifest import found_by
    from spoofscope.corpora.registry import build

    entry, root = STUDY.corpora[corpus], STUDY.corpus_root(corpus)
    return OUTSIDE.folder(
        f"corpus {corpus}",
        root,
        f"{RECORDINGS}/{corpus}.json",
        f"{R}/manifests/{corpus}.tsv",
        lambda: found_by(build(entry, root, key=corpus)),
    )


def noise_recordings(kind):
    """A text that changes with the recordings of a folder of noise or room responses."""
    from spoofscope.augmentation.sources import found_in

    root = STUDY.noise_root(kind)
    return OUTSIDE.folder(
        f"noise {kind}",
        root,
        f"{RECORDINGS}/noise.{kind}.json",
        f"{R}/noise/{kind}.tsv",
        lambda: found_in(root),
    )


def made_recordings(corpus):
    """A text that changes when clips of a corpus that the workflow generates are not what it made."""
    return OUTSIDE.made(
        f"corpus {corpus}",
        f"{RECORDINGS}/{corpus}.json",
        f"{R}/manifests/{corpus}.tsv",
        STUDY.corpus_marker(corpus)[0],
    )
